/* SPDX-License-Identifier: Apache-2.0 */
/* What a decider decides: the struct behind varve_decision, and copies of events. */
#ifndef VARVE_COMMAND_DECISION_H
#define VARVE_COMMAND_DECISION_H

#include <varve/command.h>

#include "base/arena.h"
#include "command/schemas.h"

struct varve_decision {
    struct arena *arena;           /* the events and all they point to */
    const struct schemas *schemas; /* that events must fit; NULL: none. Set after decision_begin */
    varve_uuid command_id;
    varve_str stream;   /* every event's */
    varve_str metadata; /* every event's */
    varve_event *events;
    size_t count;
    size_t capacity;
    size_t bytes; /* of data and metadata in all events */
    bool rejected;
    varve_str code;
    varve_str message;
    varve_error error; /* the first failure of varve_emit or varve_reject; it outweighs what the decider returns */
};

/* What the metadata says besides; each may be empty. */
struct decision_notes {
    varve_str digest;  /* of a command whose id may come again */
    varve_str context; /* JSON, to be recorded */
};

/*
 * Makes an empty decision about `command` (complete: id and correlation id are set). `arena` is reset, borrowed, and
 * holds everything that the decision holds. VARVE_NOMEM.
 */
varve_status decision_begin(struct varve_decision *decision, struct arena *arena, const varve_command *command,
                            const struct decision_notes *notes, varve_error *error);

/* Copies an event with all it points to; false when memory is out. */
bool decision_copy_event(struct arena *arena, const varve_event *event, varve_event *copy);

#endif
