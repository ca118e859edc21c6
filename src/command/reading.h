/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a decider over a query: folded from whatever events match, of all streams, up to a position that the
 * decision's append is conditional on. It belongs to one command, from its first try to its last, each of which adds
 * what is new.
 */
#ifndef VARVE_COMMAND_READING_H
#define VARVE_COMMAND_READING_H

#include "base/arena.h"
#include "command/load.h"

/* The query is the decider's for one command. Starts from {0}; ends with reading_fini. */
struct varve_reading {
    struct arena arena;
    varve_query_item asked[VARVE_QUERY_ITEMS_MAX]; /* as the decider asks: what is folded is held against these */
    size_t asked_count;
    varve_query_item items[VARVE_QUERY_ITEMS_MAX]; /* what that can be in the log, where it may have older types */
    size_t count;
    varve_error error; /* the first failure of varve_read_item */
    bool is_asked;     /* the items are complete */
    struct load load;
    uint64_t position; /* every matching event up to here is in the state */
};

/*
 * Asks the decider what to read: `asked` and `items`. VARVE_APPLICATION when its code fails or asks for too much,
 * VARVE_NOMEM. `error` is not NULL.
 */
varve_status reading_ask(struct varve_reading *reading, const struct load_decider *decider,
                         const varve_command *command, varve_error *error);

/*
 * Applies an event of the log to `load`, which need not be the reading's own, when it is one that was asked for; of
 * what upcasters make of it only what was asked for. As load_evolve.
 */
varve_status reading_evolve(const struct varve_reading *reading, struct load *load, const varve_event *event,
                            varve_error *error);

/* The same for two readings that ask for the same. */
uint64_t reading_hash(const struct varve_reading *reading);

/*
 * Brings the state up to date with what is asked for, for a command to `stream`. VARVE_APPLICATION when the decider's
 * code fails; otherwise as varve_cursor_next. After a failure only reading_fini is allowed, or the same again.
 */
varve_status reading_load(struct varve_reading *reading, const struct load_source *source, varve_str stream,
                          varve_error *error);

/* "No event after the position matches." Borrows from `reading`. */
varve_condition reading_condition(const struct varve_reading *reading);

void reading_fini(struct varve_reading *reading);

#endif
