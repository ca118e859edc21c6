/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream in its lane: the commands that are under way on it, and its state.
 *
 *   behind   commands that are not decided yet, in order of arrival
 *   ahead    commands that are decided and in the store, or held until those before them are durable, in order
 *   load     the state after every command ahead that was applied to it
 *
 * A line that has nothing under way rests: its state is kept as long as there is room, the one used latest the longest.
 */
#ifndef VARVE_COMMAND_LINE_H
#define VARVE_COMMAND_LINE_H

#include "command/load.h"
#include "store/chain.h"

struct task;

/* First in, first out. */
struct queue {
    struct task *first;
    struct task *last;
};

void queue_add(struct queue *queue, struct task *task);
/* NULL when it is empty. */
struct task *queue_take(struct queue *queue);

struct line {
    struct line *in_bucket;
    struct line *older, *newer; /* while it rests */
    struct line *next;          /* among those that are ready, or wait */
    uint64_t hash;
    size_t bytes; /* while it rests: what it takes, about */

    const struct load_decider *decider; /* whose state it keeps; NULL: only others had commands here */
    struct queue behind, ahead;
    size_t ahead_count;
    struct task *unapplied; /* the first one ahead whose events are not in the state; NULL: all are */
    struct store_chain chain;
    struct load load;
    struct queue again; /* were ahead of an append that failed, or behind it: to be decided again, in order */
    bool is_broken;     /* … once nothing is ahead any more */
    bool is_stuck;      /* what is ahead does not go with the state: nothing is decided while something is ahead */
    bool is_listed;     /* ready, waiting until it is due, or its first command for its turn */
    uint64_t due_ns;    /* while it waits */

    size_t stream_len;
    char stream[];
};

/* The lines of a lane; used by its thread alone. Starts from {0}. */
struct line_table {
    struct line **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    struct line *oldest, *newest; /* of those that rest */
    size_t resting_bytes;
    size_t resting_limit; /* what those that rest may take together, in bytes */
};

varve_status line_table_init(struct line_table *table, size_t resting_limit, varve_error *error);
/* Every line rests. */
void line_table_fini(struct line_table *table);

/* The stream's line, found or made, which does not rest any more. NULL when memory is out. */
struct line *line_table_get(struct line_table *table, uint64_t hash, varve_str stream);

/* Nothing is under way on the line: from here on it may go at any time, and does when its decider's worker is full. */
void line_table_rest(struct line_table *table, struct line *line);

#endif
