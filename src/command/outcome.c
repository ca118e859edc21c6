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
    varve_str end = outcome->repeated ? VARVE_STR(",\"repeated\":true}") : VARVE_STR("}");
    if (outcome->code.len > 0) {
        varve_buf_str(out, VARVE_STR("{\"code\":"));
        varve_buf_json_string(out, outcome->code);
        varve_buf_str(out, VARVE_STR(",\"message\":"));
        varve_buf_json_string(out, outcome->message);
        varve_buf_str(out, end);
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
    varve_buf_str(out, VARVE_STR("]"));
    varve_buf_str(out, end);
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

/* ---- history and differences ---- */

void varve_history_fini(varve_history *history)
{
    free_memory(history->memory);
    *history = (varve_history){ 0 };
}

static void add_time(varve_buf *out, const char *name, varve_time time)
{
    char text[VARVE_TIME_TEXT_BYTES];
    varve_time_format(time, text);
    varve_buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

void varve_history_entry_write_json(const varve_history_entry *entry, varve_buf *out)
{
    const varve_event *event = &entry->event;
    char id[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(event->id, id);
    varve_buf_printf(out, "{\"version\":%" PRIu64 ",\"position\":%" PRIu64 ",\"type\":", event->version,
                     event->position);
    varve_buf_json_string(out, event->type);
    varve_buf_printf(out, ",\"event_id\":\"%s\"", id);
    add_time(out, "occurred_at", event->occurred_at);
    add_time(out, "recorded_at", event->recorded_at);
    varve_buf_str(out, VARVE_STR(",\"metadata\":"));
    varve_buf_str(out, event->metadata);
    varve_buf_str(out, VARVE_STR(",\"patch\":"));
    varve_buf_str(out, entry->patch);
    varve_buf_str(out, VARVE_STR("}"));
}

void varve_history_write_json(const varve_history *history, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(out, history->stream);
    varve_buf_str(out, VARVE_STR(",\"entries\":["));
    for (size_t i = 0; i < history->count; i++) {
        if (i > 0) varve_buf_str(out, VARVE_STR(","));
        varve_history_entry_write_json(&history->entries[i], out);
    }
    varve_buf_str(out, VARVE_STR("],\"next\":"));
    if (history->next == 0)
        varve_buf_str(out, VARVE_STR("null}"));
    else
        varve_buf_printf(out, "%" PRIu64 "}", history->next);
}

void varve_difference_fini(varve_difference *difference)
{
    free_memory(difference->memory);
    *difference = (varve_difference){ 0 };
}

void varve_difference_write_json(const varve_difference *difference, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(out, difference->stream);
    varve_buf_printf(out, ",\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"patch\":", difference->from, difference->to);
    varve_buf_str(out, difference->patch);
    varve_buf_str(out, VARVE_STR("}"));
}
