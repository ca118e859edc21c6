/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader: one read-only session with the models of one query attached, each under its
 * projection's name, and the query prepared. It reads the generations that served when it was
 * opened; once others serve it is stale and is closed.
 *
 * A generation is removed after another one serves, so a reader that still finds its own serving after
 * its snapshot was taken has read whole models; one that does not starts again.
 */
#ifndef VARVE_QUERY_READER_H
#define VARVE_QUERY_READER_H

#include <pthread.h>

#include "query/generation.h"

typedef struct varve_store varve_store;

/* The idle readers of all queries, the one that was used last first: a bounded number, since each is a connection or
 * some open files. Any threads. */
struct reader_pool {
    pthread_mutex_t lock;
    struct reader *idle;
    size_t count;
    uint64_t forgotten; /* how often readers have been dropped because their models serve no more */
};

/* Where models are and what a query is asked of. Borrowed by readers. */
struct reader_home {
    struct place place;
    varve_store *store; /* whose history positions belong to */
    struct reader_pool *pool;
};

/* The statement of a part of pages (paging.h), prepared; a reader keeps the latest few. */
#define READER_PARTS_MAX 6u

struct reader_part {
    char *text;
    struct sql_statement *statement;
};

struct reader {
    struct reader *next; /* the pool's */
    uint64_t forgotten;  /* the pool's, when it was opened */
    const struct reader_home *home;
    const struct sqlfile *file;
    struct sql_session *session;
    struct sql_statement *hold; /* the place's, for inline models; NULL: none */
    struct sql_statement *question;
    struct reader_part parts[READER_PARTS_MAX];
    size_t part_count; /* that were ever prepared */
    struct sql_statement *checkpoints[SQLFILE_READS_MAX];
    uint64_t numbers[SQLFILE_READS_MAX];
    size_t attached;   /* how many of them are */
    uint32_t limit_ms; /* of the transaction, and when that is over */
    uint64_t deadline_ns;
    struct sql_statement *lookup; /* the place's, for finding out which generations serve */
};

/* `text` is the query's statement. VARVE_UNAVAILABLE when a model is not there or the query does not fit it;
 * VARVE_NOT_FOUND when one has been replaced meanwhile. */
varve_status reader_open(struct reader **reader, const struct reader_home *home, const struct sqlfile *file,
                         varve_str text, varve_error *error);
/* NULL is allowed. */
void reader_close(struct reader *reader);

void reader_pool_init(struct reader_pool *pool);
/* Everything was forgotten. */
void reader_pool_fini(struct reader_pool *pool);
/* An idle reader of this query, or NULL. */
struct reader *reader_pool_take(struct reader_pool *pool, const struct sqlfile *file);
/* Keeps the reader, whose transaction has ended, unless its models serve no more by now; closes the one that was idle
 * longest when there are too many. */
void reader_pool_give(struct reader_pool *pool, struct reader *reader);
/* Closes the idle readers of this query, and later those that are in use: their models serve no more. */
void reader_pool_forget(struct reader_pool *pool, const struct sqlfile *file);

/* Do the generations that it reads still serve? */
bool reader_is_current(struct reader *reader);

/*
 * Begins a transaction with a time limit; `*position` is the smallest checkpoint in it. VARVE_DONE
 * when the reader has turned out to be stale, with no transaction open.
 */
varve_status reader_begin(struct reader *reader, uint32_t limit_ms, uint64_t *position, varve_error *error);
void reader_end(struct reader *reader);
/* The position that the i-th model stands at, in the reader's transaction. */
varve_status reader_position(struct reader *reader, size_t i, uint64_t *position, varve_error *error);

/* A statement that is not the question itself, prepared or found; the reader's, until it is asked for others. It may
 * take what is left of the transaction's time, and up to a second more; VARVE_TIMEOUT when nothing is left. */
varve_status reader_prepare(struct reader *reader, varve_str text, struct sql_statement **statement,
                            varve_error *error);

#endif
