/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at an aggregate: its state, now or in the past, its history, and the difference between two states. */
#ifndef VARVE_COMMAND_LOOK_H
#define VARVE_COMMAND_LOOK_H

#include "command/load.h"

enum look_kind { LOOK_AT_STATE, LOOK_AT_HISTORY, LOOK_AT_DIFFERENCE };

/*
 * What somebody waits for who wants to see an aggregate. Theirs; the lane's until the task is over. The views and
 * options must live as long.
 */
struct look {
    enum look_kind kind;
    varve_str stream;
    union {
        struct {
            const varve_aggregate_options *options; /* NULL: the newest */
            varve_aggregate *aggregate;
        } state;
        struct {
            const varve_history_options *options; /* NULL: the first page */
            varve_history *page;
        } history;
        struct {
            const varve_aggregate_options *from; /* NULL: before the first event */
            const varve_aggregate_options *to;   /* NULL: the newest */
            varve_difference *difference;
        } difference;
    };
    /* What became of it; the result above is set when the status says so. */
    varve_status status;
    varve_error error;
};

/*
 * Does what is asked, on the lane that owns the decider's worker, and sets the result and the status: as
 * varve_aggregate_show, _history or _diff; VARVE_UNSUPPORTED when the decider cannot encode its state.
 */
void look_run(struct look *look, const struct load_source *source);

#endif
