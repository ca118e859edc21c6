/* SPDX-License-Identifier: Apache-2.0 */
/* What clients did to a few streams, when, and what they were told; and whether that can be. */
#ifndef VARVE_TESTS_POSTGRES_HISTORY_H
#define VARVE_TESTS_POSTGRES_HISTORY_H

#include <stdatomic.h>
#include <varve.h>

enum { HISTORY_STREAMS = 4 };

enum kind { READ, CONDITIONAL, UNCONDITIONAL };

/* An append's event has the operation's number in its data. */
struct operation {
    uint64_t start_ns, end_ns; /* of the clock that all processes share */
    uint64_t expected;         /* the version that a conditional append expects */
    uint64_t version;      /* the stream's, as told: after the append, in the way of it, or at the end of the read */
    uint64_t position;     /* of the appended event */
    uint64_t from, digest; /* a read's first version, and what it has seen */
    enum kind kind;
    unsigned stream;
    varve_status status;
    bool torn; /* a read whose versions do not follow each other */
};

struct history {
    size_t size;
    _Atomic size_t count; /* operations begun */
    struct operation operations[];
};

/* In memory that processes share; ends the program when there is none. */
struct history *history_new(size_t size);
void history_free(struct history *history);
/* What reads have seen, event by event. */
uint64_t history_digest(uint64_t digest, size_t number);

struct verdict {
    uint64_t appended, conflicts, reads;
    uint64_t order;           /* events that are not where they were told, or not after what was there before */
    uint64_t holes;           /* of positions or versions */
    uint64_t false_conflicts; /* nobody else had the version that was expected to be free */
    uint64_t wrong_reads;     /* other events than the stream has there */
    uint64_t stale;           /* what was acknowledged before is missing in what was told, or it came from the future */
    uint64_t failed;          /* other answers than these */
};

/* Reads the whole log and holds every operation against it. */
void history_judge(const struct history *history, varve_store *store, struct verdict *verdict);

#endif
