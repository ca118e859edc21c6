/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store was asked to keep and what it answered. Append number n always holds the same events
 * with the same ids, so that whatever is read back can be compared with what it must be. The ledger
 * allocates nothing while a store is at work, so that it can watch one that is short of memory.
 */
#ifndef VARVE_TESTS_FAULT_LEDGER_H
#define VARVE_TESTS_FAULT_LEDGER_H

#include <pthread.h>
#include <varve.h>

#include "tests/fault/disk.h"

enum { LEDGER_APPENDS = 2048, LEDGER_STREAMS = 10, LEDGER_EVENTS = 3, LEDGER_TEXT = 6000 };

struct promise {
    bool queued, answered;
    varve_status status;
    unsigned flags;          /* VARVE_ERROR_… of the answer */
    uint64_t first_position; /* when it was accepted */
    size_t answered_at;      /* operations of the disk by then */
};

struct ledger {
    struct disk *disk; /* may be NULL */
    pthread_mutex_t mutex;
    pthread_cond_t all_answered;
    size_t unanswered;
    struct promise promises[LEDGER_APPENDS];
    size_t count;
};

/* One event of an append, and the memory of its views. */
struct ledger_event {
    varve_event event;
    char stream[32], correlation[64], text[LEDGER_TEXT];
    varve_str tags[2];
};

void ledger_init(struct ledger *ledger, struct disk *disk);
void ledger_fini(struct ledger *ledger);
/* Forgets all promises. */
void ledger_reset(struct ledger *ledger);

size_t ledger_event_count(size_t append);
void ledger_event_make(size_t append, size_t place, struct ledger_event *event);
/* Whether the append carries a condition that never holds, so that it must be refused as a conflict. */
bool ledger_must_conflict(size_t append);

/* Asks the store for the next append, and returns once it is queued or refused. */
void ledger_append_async(struct ledger *ledger, varve_store *store);
/* Waits until everything queued is answered. */
void ledger_wait(struct ledger *ledger);
/* Asks for the next append and waits for its answer, which is returned. */
varve_status ledger_append(struct ledger *ledger, varve_store *store);
/* Asks once more for an append whose outcome is not known. */
varve_status ledger_repeat(struct ledger *ledger, varve_store *store, size_t append);

/* ---- comparing a store with what it promised ---- */

struct ledger_rules {
    size_t before; /* promises count that were made when the disk had done so many operations; SIZE_MAX: all */
    bool suffix;   /* the latest accepted appends may be missing, but never one before one that is there */
    bool quick;    /* read the log and verify, but leave out the other ways to the events */
};

struct ledger_findings {
    uint64_t lost;   /* accepted, and not there */
    uint64_t wrong;  /* there with another content or place, or twice, or though it was refused */
    uint64_t holes;  /* of positions or versions, or half of an append */
    uint64_t errors; /* a read that failed */
    uint64_t verify; /* problems that the verification told, or its failure */
    char first[320]; /* what was found first */
};

/* Reads all of the store, in every way there is, and verifies it. Adds to `findings`; true when nothing is there. */
bool ledger_check(const struct ledger *ledger, varve_store *store, const struct ledger_rules *rules,
                  struct ledger_findings *findings);

/* Compares one event with what it must be; false, with a sentence in `what`, when it is another. */
bool ledger_event_is_right(const varve_event *event, size_t *append, size_t *place, char *what, size_t size);

#endif
