/* SPDX-License-Identifier: Apache-2.0 */
#include "store/digest.h"

#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Numbers are little-endian and texts carry their length, so that different requests never give the same bytes. */
static void add_number(XXH3_state_t *state, uint64_t number)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(number >> i * 8);
    XXH3_128bits_update(state, bytes, sizeof bytes);
}

static void add_text(XXH3_state_t *state, varve_str text)
{
    add_number(state, text.len);
    if (text.len > 0) XXH3_128bits_update(state, text.ptr, text.len);
}

static void add_texts(XXH3_state_t *state, const varve_str *texts, size_t count)
{
    add_number(state, count);
    for (size_t i = 0; i < count; i++) add_text(state, texts[i]);
}

static void add_event(XXH3_state_t *state, const varve_event *event)
{
    add_text(state, event->stream);
    add_text(state, event->type);
    add_text(state, event->content_type);
    add_text(state, event->data);
    add_text(state, event->metadata);
    add_texts(state, event->tags, event->tag_count);
    add_text(state, (varve_str){ (const char *)event->id.bytes, sizeof event->id.bytes });
    add_number(state, event->schema_version);
    add_number(state, (uint64_t)event->occurred_at);
}

static void add_condition(XXH3_state_t *state, const varve_condition *condition)
{
    add_number(state, (uint64_t)condition->kind);
    add_text(state, condition->stream);
    add_number(state, condition->version);
    add_number(state, condition->after);
    add_number(state, condition->item_count);
    for (size_t i = 0; i < condition->item_count; i++) {
        add_texts(state, condition->items[i].types, condition->items[i].type_count);
        add_texts(state, condition->items[i].tags, condition->items[i].tag_count);
    }
}

void digest_request(const varve_append_request *request, char text[DIGEST_TEXT_BYTES])
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    add_number(&state, request->event_count);
    for (size_t i = 0; i < request->event_count; i++) add_event(&state, &request->events[i]);
    add_number(&state, request->condition_count);
    for (size_t i = 0; i < request->condition_count; i++) add_condition(&state, &request->conditions[i]);
    XXH128_hash_t digest = XXH3_128bits_digest(&state);
    snprintf(text, DIGEST_TEXT_BYTES, "%016llx%016llx", (unsigned long long)digest.high64,
             (unsigned long long)digest.low64);
}
