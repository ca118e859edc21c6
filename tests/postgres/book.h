/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients asked a store for and what they were answered, in memory that processes share and that outlives the one
 * that is killed. Each append has a number, which stands in its events' data, so that the log can be held against it.
 */
#ifndef VARVE_TESTS_POSTGRES_BOOK_H
#define VARVE_TESTS_POSTGRES_BOOK_H

#include <stdatomic.h>
#include <varve.h>

enum { BOOK_STREAMS = 8, BOOK_EVENTS = 2 };

/* What is known of an append. */
enum answer {
    NOT_ASKED,
    ASKED,   /* no answer yet, or none ever: its process was killed */
    ACKED,   /* OK or REPEATED */
    REFUSED, /* surely not written */
    UNKNOWN, /* INDETERMINATE, and not repeated since */
};

struct entry {
    _Atomic int answer;
    unsigned stream, events;     /* how many, all of one stream */
    uint64_t position, version;  /* of the last, when it is acknowledged */
    varve_uuid ids[BOOK_EVENTS]; /* as they were asked for or told */
};

struct book {
    size_t size;
    _Atomic size_t count;   /* appends so far */
    _Atomic size_t acked;   /* of those, answered so */
    _Atomic size_t unknown; /* answers that were INDETERMINATE */
    _Atomic bool stop;      /* clients end when they have an answer */
    _Atomic int failed;     /* clients that met what they must never meet */
    struct entry entries[];
};

/* Room for `size` appends, shared with processes that are forked from now on. Ends the program when there is none. */
struct book *book_new(size_t size);
void book_free(struct book *book);

/* How a client asks. */
struct manner {
    unsigned seed;
    bool own_ids;    /* the caller's, or the store's */
    bool on_version; /* each append expects the version that the stream was last seen at */
    bool persist;    /* repeats what is unknown until it is known */
    bool one_stream; /* all to the same one; else to any */
};

/* Asks for one append and notes the answer, which is returned. */
varve_status book_append(struct book *book, varve_store *store, struct manner *manner, varve_error *error);
/* Asks once more for the latest append, with the ids that it had; for a book of one client. */
varve_status book_repeat(struct book *book, varve_store *store, varve_error *error);
/* Asks until the book says stop or is full; what cannot be reached for a while is asked again. */
void book_append_many(struct book *book, varve_store *store, struct manner *manner);

/* Opens the store at `uri`; ends the program when that fails. */
varve_store *book_open(const char *uri, bool read_only);
/* Opens the store and appends from so many threads until the book says stop. Returns how the process is to end. */
int book_work(struct book *book, const char *uri, unsigned threads, const struct manner *manner);

struct findings {
    uint64_t events, lost, moved, duplicated, holes, unasked, errors;
};

/* Reads the whole log and compares. `unasked`: there though it was refused. Prints what it finds first. */
void book_judge(struct book *book, varve_store *store, struct findings *findings);
bool findings_are_good(const struct findings *findings);
/* The number of the append that an event belongs to. */
size_t book_number(const varve_event *event);

/* Waits until `*counter` is at least `least`; ends the program when that takes longer than a minute. */
void book_await(const _Atomic size_t *counter, size_t least, const char *what);

#endif
