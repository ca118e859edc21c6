/* SPDX-License-Identifier: Apache-2.0 */
#include "command/content.h"

#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Names hold no zero byte, so that each ends where it does. */
static void add_name(XXH3_state_t *state, varve_str name)
{
    XXH3_64bits_update(state, name.ptr, name.len);
    XXH3_64bits_update(state, "", 1);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The JSON in runs between white space; within strings everything counts. */
static void add_json(XXH3_state_t *state, varve_str json)
{
    size_t begin = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        if (in_string && json.ptr[i] == '\\') {
            i++;
        } else if (json.ptr[i] == '"') {
            in_string = !in_string;
        } else if (!in_string && is_blank(json.ptr[i])) {
            XXH3_64bits_update(state, json.ptr + begin, i - begin);
            begin = i + 1;
        }
    }
    XXH3_64bits_update(state, json.ptr + begin, json.len - begin);
}

void content_digest(const varve_command *command, char text[CONTENT_DIGEST_BYTES])
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    add_name(&state, command->type);
    add_name(&state, command->stream);
    add_json(&state, command->data);
    snprintf(text, CONTENT_DIGEST_BYTES, "%016llx", (unsigned long long)XXH3_64bits_digest(&state));
}
