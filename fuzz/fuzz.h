/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every fuzz target is: one function over one input. It aborts when something does not hold
 * that must; that an input is refused is no finding. Targets keep nothing from one input to the next.
 */
#ifndef VARVE_FUZZ_FUZZ_H
#define VARVE_FUZZ_FUZZ_H

#include <varve/event.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/utf8.h"

/* libFuzzer's entry point, which each target defines. `data` ends where an access would be noticed. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline varve_str fuzz_text(const uint8_t *data, size_t size)
{
    return (varve_str){ size == 0 ? "" : (const char *)data, size };
}

/* Takes what stands before the first line break off `rest`; without one, all of it. */
static inline varve_str fuzz_line(varve_str *rest)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);
    varve_str line = { rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr) };
    size_t taken = end == NULL ? line.len : line.len + 1;
    rest->ptr += taken;
    rest->len -= taken;
    return line;
}

/* True for JSON that may carry payloads inside, each as deep as a payload may be. */
static inline bool fuzz_is_body(varve_str text)
{
    struct json_scanner scanner;
    enum json_token token;
    json_start_around(&scanner, text);
    while ((token = json_next(&scanner)) != JSON_ERROR && token != JSON_END) continue;
    return token == JSON_END;
}

/* What a refusal owes: its status in the error too, and a message that can go into a log or a JSON string. */
static inline void fuzz_refused(varve_status status, const varve_error *error)
{
    varve_str message = varve_str_of(error->message);
    ASSERT(status < 0 && error->status == status);
    ASSERT(message.len > 0 && utf8_valid(message));
    for (size_t i = 0; i < message.len; i++) ASSERT((unsigned char)message.ptr[i] >= 0x20);
}

#endif
