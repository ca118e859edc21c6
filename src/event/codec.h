/* SPDX-License-Identifier: Apache-2.0 */
/* What an event must look like to be accepted, and the checksum it is stored with. */
#ifndef VARVE_EVENT_CODEC_H
#define VARVE_EVENT_CODEC_H

#include "base/arena.h"

/*
 * Fills in defaults (data, metadata, content type, schema version; not id and times) and checks
 * everything the log accepts or refuses: names, sizes, UTF-8, JSON. `ordinal` (from 0) is named in the
 * message when `count` > 1. INVALID, TOO_LARGE, NOMEM. The event's views stay the caller's.
 */
varve_status event_complete(varve_event *event, size_t ordinal, size_t count, varve_error *error);

/* True when the event's data is JSON: content type application/json, or one that ends in +json. */
bool event_is_json(const varve_event *event);

/* A stream name that the log accepts: 1 to 255 bytes of printable UTF-8. `what` is how the message calls it. */
varve_status event_check_name(varve_str name, const char *what, varve_error *error);

/* CRC-32C over every stored field, names included, in a fixed order. The event must be complete. */
uint32_t event_checksum(const varve_event *event);

/*
 * The metadata's correlation_id: `id` is borrowed from the metadata or, when it has escapes there, from
 * `memory`, to which it is appended. Empty when there is none or it is no string. False when memory is out.
 */
bool event_correlation(varve_str metadata, varve_buf *memory, varve_str *id);

/*
 * Tags as they are stored: each one as a length byte and its bytes. Reading gives views into
 * `packed`; false when it is malformed or memory is out.
 */
void event_tags_write(const varve_str *tags, size_t tag_count, varve_buf *packed);
bool event_tags_have(varve_str packed, varve_str tag);
bool event_tags_read(varve_str packed, struct arena *arena, const varve_str **tags, size_t *tag_count);

/*
 * Appends the event as varve_event_write_json does, on exactly one line, end included: a payload
 * with line breaks in it, or blanks at its ends, comes as "data_base64" or "metadata_base64", so
 * that every byte is kept.
 */
void event_write_line(const varve_event *event, varve_buf *out);

#endif
