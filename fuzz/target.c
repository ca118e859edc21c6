/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as its sender writes it: the first line is the request target, each further line stands
 * for the value of a header that decides whether the request is let in.
 */
#include "server/target.h"
#include "base/traceparent.h"

#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "server/admit.h"

static bool has_nul(varve_str text)
{
    return text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL;
}

static void add_encoded(varve_buf *out, varve_str text)
{
    for (size_t i = 0; i < text.len; i++) varve_buf_printf(out, "%%%02X", (unsigned char)text.ptr[i]);
}

static void check_parsed(const struct target *target, const struct target *again)
{
    ASSERT(target->segment_count == again->segment_count && target->param_count == again->param_count);
    for (size_t i = 0; i < target->segment_count; i++) {
        ASSERT(target->segments[i].len > 0 && utf8_printable(target->segments[i]));
        ASSERT(varve_str_eq(target->segments[i], again->segments[i]));
    }
    for (size_t i = 0; i < target->param_count; i++) {
        const varve_query_param *param = &target->params[i];
        ASSERT(param->name.len > 0 && utf8_printable(param->name));
        ASSERT(utf8_valid(param->value) && !has_nul(param->value));
        ASSERT(varve_str_eq(param->name, again->params[i].name));
        ASSERT(varve_str_eq(param->value, again->params[i].value));
    }
}

/* Written with every byte encoded, it is read as the same target. */
static void encode_and_parse(const struct target *target)
{
    struct target again = { 0 };
    varve_buf text = { 0 };

    varve_buf_str(&text, VARVE_STR("/"));
    for (size_t i = 0; i < target->segment_count; i++) {
        if (i > 0) varve_buf_str(&text, VARVE_STR("/"));
        add_encoded(&text, target->segments[i]);
    }
    for (size_t i = 0; i < target->param_count; i++) {
        varve_buf_str(&text, i == 0 ? VARVE_STR("?") : VARVE_STR("&"));
        add_encoded(&text, target->params[i].name);
        varve_buf_str(&text, VARVE_STR("="));
        add_encoded(&text, target->params[i].value);
    }
    char *memory = malloc(text.len);
    ASSERT(!text.failed && memory != NULL);
    ASSERT(target_parse(&again, varve_buf_view(&text), memory, NULL) == VARVE_OK);
    check_parsed(target, &again);
    free(memory);
    varve_buf_fini(&text);
}

/* Each parameter read as everything that a route may want of it. */
static void read_param(const struct target *target, const varve_query_param *param)
{
    char name[VARVE_NAME_BYTES_MAX + 1];
    struct arena arena = { 0 };
    const varve_str *items = NULL;
    size_t count = 0;
    uint64_t number = 0;
    varve_time time = 0;
    varve_error error = { 0 };
    varve_status status;

    if (param->name.len >= sizeof name) return;
    memcpy(name, param->name.ptr, param->name.len);
    name[param->name.len] = '\0';
    ASSERT(target_param(target, name) == param);
    status = target_list(target, name, &arena, &items, &count, &error);
    if (status < 0) fuzz_refused(status, &error);
    for (size_t i = 0; i < count; i++) ASSERT(items[i].len > 0 && utf8_valid(items[i]) && !has_nul(items[i]));
    status = target_number(target, name, &number, &error);
    if (status < 0) fuzz_refused(status, &error);
    ASSERT(number <= INT64_MAX);
    status = target_time(target, name, &time, &error);
    if (status < 0) fuzz_refused(status, &error);
    arena_fini(&arena);
}

static void check_target(varve_str text)
{
    struct target target = { 0 };
    varve_error error = { 0 };
    char *memory = malloc(text.len > 0 ? text.len : 1);

    ASSERT(memory != NULL);
    varve_status status = target_parse(&target, text, memory, &error);
    if (status < 0) {
        fuzz_refused(status, &error);
        ASSERT(status == VARVE_INVALID || status == VARVE_NOT_FOUND);
    } else {
        encode_and_parse(&target);
        for (size_t i = 0; i < target.param_count; i++) read_param(&target, &target.params[i]);
    }
    free(memory);
}

static bool begins(varve_str text, const char *lower)
{
    size_t len = strlen(lower);
    return text.len >= len && admit_same((varve_str){ text.ptr, len }, lower);
}

/* Who is let in says so in the header's own first bytes. */
static void check_header(varve_str value)
{
    if (admit_host(value)) {
        const char *colon = memrchr(value.ptr, ':', value.len);
        bool named = begins(value, "127.0.0.1") || begins(value, "localhost") || begins(value, "[::1]");
        ASSERT(named && value.len <= strlen("127.0.0.1:65535"));
        ASSERT(!has_nul(value) && (colon == NULL || (size_t)(value.ptr + value.len - colon) <= sizeof ":65535"));
    }
    if (traceparent_is_valid(value)) ASSERT(value.len == 55 && begins(value, "00-") && utf8_printable(value));
    if (admit_event_stream(value)) ASSERT(value.len >= strlen("text/event-stream"));
    enum media_type type = admit_media_type(value);
    ASSERT(type == MEDIA_OTHER || value.len >= strlen("application/json"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    varve_str rest = fuzz_text(data, size);

    check_target(fuzz_line(&rest));
    while (rest.len > 0) check_header(fuzz_line(&rest));
    return 0;
}
