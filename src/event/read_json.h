/* SPDX-License-Identifier: Apache-2.0 */
/* Reading events from JSON, token by token, because payload bytes are kept exactly as they came. */
#ifndef VARVE_EVENT_READ_JSON_H
#define VARVE_EVENT_READ_JSON_H

#include "base/arena.h"
#include "base/json.h"

struct event_reader {
    struct json_scanner scanner; /* started by the caller, standing before the event */
    struct arena *memory;        /* gets arrays, and texts that had escapes; the rest borrows from the JSON */
    varve_str stream;            /* every event's; empty: each event names its own */
    bool recorded;               /* the fields that only the log sets are there too, and are kept */
    const char *list;            /* for messages: what `item` counts, as in "events[2].type"; NULL: nothing */
    size_t item;
    varve_error *error;
};

/* Reads one event object. VARVE_INVALID names the field that is wrong, unknown or given twice; NOMEM. */
varve_status event_read_json(struct event_reader *reader, varve_event *event);

/* The pieces, for what stands around events. Each reads the next value, or says that `field` must be one. */
varve_status event_read_text(struct event_reader *reader, const char *field, varve_str *value);
varve_status event_read_number(struct event_reader *reader, const char *field, uint64_t *value);
/* An array of texts, none of it NULL even if it is empty. */
varve_status event_read_texts(struct event_reader *reader, const char *field, const varve_str **values, size_t *count);
/* Counts the values of the array that comes next, and steps into it. */
varve_status event_read_array(struct event_reader *reader, const char *field, size_t *count);

/* What to answer: a field that is not what it must be, one that was there already, one that nobody knows, no JSON. */
varve_status event_read_wrong(struct event_reader *reader, const char *field, const char *must);
varve_status event_read_repeated(struct event_reader *reader, const char *field);
varve_status event_read_unknown(struct event_reader *reader);
varve_status event_read_not_json(struct event_reader *reader);

#endif
