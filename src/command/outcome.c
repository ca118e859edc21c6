/* SPDX-License-Identifier: Apache-2.0 */
/* The results of the command side as JSON, and the end of their memory, which is an arena on the heap. */
#include <inttypes.h>
#include <stdlib.h>

#include <varve/command.h>

#include "base/arena.h"

static void free_memory(void *memory)
{
    if (memory != NULL) {
        arena_fini(memory);
        free(memory);
    }
}

void varve_outcome_fini(varve_outcome *outcome)
{
    free_memory(outcome->memory);
    *outcome = (varve_outcome){ 0 };
}

void varve_outcome_write_json(const varve_outcome *outcome, varve_buf *out)
{
    if (outcome->code.len > 0) {
        varve_buf_str(out, VARVE_STR("{\"code\":"));
        varve_buf_json_string(out, outcome->code);
        varve_buf_str(out, VARVE_STR(",\"message\":"));
        varve_buf_json_string(out, outcome->message);
        varve_buf_str(out, VARVE_STR("}"));
        return;
    }
    varve_buf_str(out, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(out, outcome->stream);
    varve_buf_printf(out, ",\"version\":%" PRIu64 ",\"first_position\":%" PRIu64 ",\"last_position\":%" PRIu64,
                     outcome->version, outcome->first_position, outcome->last_position);
    varve_buf_str(out, VARVE_STR(",\"events\":["));
    for (size_t i = 0; i < outcome->event_count; i++) {
        if (i > 0) varve_buf_str(out, VARVE_STR(","));
        varve_event_write_json(&outcome->events[i], out);
    }
    varve_buf_str(out, VARVE_STR("]}"));
}

void varve_aggregate_fini(varve_aggregate *aggregate)
{
    free_memory(aggregate->memory);
    *aggregate = (varve_aggregate){ 0 };
}

void varve_aggregate_write_json(const varve_aggregate *aggregate, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(out, aggregate->stream);
    varve_buf_printf(out, ",\"version\":%" PRIu64 ",\"state\":", aggregate->version);
    varve_buf_str(out, aggregate->state);
    varve_buf_printf(out, ",\"snapshot_version\":%" PRIu64 ",\"events_replayed\":%" PRIu64 "}",
                     aggregate->snapshot_version, aggregate->events_replayed);
}
