/* SPDX-License-Identifier: Apache-2.0 */
#include "server/problem.h"

static const struct {
    unsigned http;
    const char *word, *title;
} http_problems[] = {
#define PROBLEM_ROW(name, http, word, title) [name] = { http, word, title },
    PROBLEM_TABLE(PROBLEM_ROW)
#undef PROBLEM_ROW
};

unsigned problem_http_status(varve_status status)
{
    switch (status) {
    case VARVE_INVALID:
        return 400;
    case VARVE_DENIED:
        return 403;
    case VARVE_NOT_FOUND:
        return 404;
    case VARVE_ID_CONFLICT:
    case VARVE_REWOUND:
    case VARVE_PROJECTION_REFUSED:
        return 409;
    case VARVE_CONFLICT:
        return 412;
    case VARVE_TOO_LARGE:
        return 413;
    case VARVE_REJECTED:
    case VARVE_KEY_CONFLICT:
    case VARVE_SCHEMA_MISMATCH:
        return 422;
    case VARVE_UNSUPPORTED:
        return 501;
    case VARVE_ENRICH_FAILED:
        return 502;
    case VARVE_BUSY:
    case VARVE_UNAVAILABLE:
    case VARVE_INDETERMINATE:
    case VARVE_LOCKED:
    case VARVE_NOMEM:
        return 503;
    case VARVE_TIMEOUT:
        return 504;
    case VARVE_FULL:
        return 507;
    default:
        return status < 0 ? 500 : 200;
    }
}

static void write_head(const char *word, const char *title, unsigned http, varve_buf *out)
{
    varve_buf_printf(out, "{\"type\":\"urn:varve:problem:%s\",\"title\":", word);
    varve_buf_json_string(out, varve_str_of(title));
    varve_buf_printf(out, ",\"status\":%u", http);
}

static void write_member(const char *name, varve_str value, varve_buf *out)
{
    varve_buf_printf(out, ",\"%s\":", name);
    varve_buf_json_string(out, value);
}

static void write_status_head(varve_status status, varve_buf *out)
{
    write_head(varve_status_word(status), varve_status_meaning(status), problem_http_status(status), out);
}

void problem_write(varve_status status, const char *detail, varve_buf *out)
{
    write_status_head(status, out);
    write_member("detail", varve_str_of(detail), out);
    varve_buf_str(out, VARVE_STR("}"));
}

unsigned problem_write_http(enum problem problem, const char *detail, varve_buf *out)
{
    write_head(http_problems[problem].word, http_problems[problem].title, http_problems[problem].http, out);
    write_member("detail", varve_str_of(detail), out);
    varve_buf_str(out, VARVE_STR("}"));
    return http_problems[problem].http;
}

static void write_names(const char *name, const varve_str *texts, size_t count, varve_buf *out)
{
    varve_buf_printf(out, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) varve_buf_str(out, VARVE_STR(","));
        varve_buf_json_string(out, texts[i]);
    }
    varve_buf_str(out, VARVE_STR("]"));
}

static void write_query(const varve_condition *condition, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("\"fail_if_match\":["));
    for (size_t i = 0; i < condition->item_count; i++) {
        const varve_query_item *item = &condition->items[i];
        varve_buf_str(out, i == 0 ? VARVE_STR("{") : VARVE_STR(",{"));
        write_names("types", item->types, item->type_count, out);
        varve_buf_str(out, VARVE_STR(","));
        write_names("tags", item->tags, item->tag_count, out);
        varve_buf_str(out, VARVE_STR("}"));
    }
    varve_buf_str(out, VARVE_STR("]"));
}

static void write_expected(const varve_condition *condition, varve_buf *out)
{
    if (condition->kind == VARVE_STREAM_AT) {
        varve_buf_printf(out, "%llu", (unsigned long long)condition->version);
    } else {
        varve_buf_str(out, condition->kind == VARVE_STREAM_NONE ? VARVE_STR("\"none\"") : VARVE_STR("\"exists\""));
    }
}

static void write_failed(const varve_condition *condition, const varve_failed_condition *failed, varve_buf *out)
{
    if (condition->kind == VARVE_FAIL_IF_MATCH) {
        varve_buf_str(out, VARVE_STR("{"));
        write_query(condition, out);
        varve_buf_printf(out, ",\"position\":%llu}", (unsigned long long)failed->position);
        return;
    }
    varve_buf_str(out, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(out, condition->stream);
    varve_buf_str(out, VARVE_STR(",\"expected_version\":"));
    write_expected(condition, out);
    varve_buf_printf(out, ",\"current_version\":%llu}", (unsigned long long)failed->current_version);
}

void problem_write_conflict(const varve_append_request *request, const varve_appended *appended,
                            const varve_error *error, varve_buf *out)
{
    bool on_stream = request->conditions[appended->failed[0].index].kind != VARVE_FAIL_IF_MATCH;
    write_status_head(VARVE_CONFLICT, out);
    write_member("detail", varve_str_of(error->message), out);
    if (on_stream) varve_buf_printf(out, ",\"current_version\":%lld", (long long)error->detail);
    varve_buf_str(out, VARVE_STR(",\"failed\":["));
    for (size_t i = 0; i < appended->failed_count; i++) {
        const varve_failed_condition *failed = &appended->failed[i];
        if (i > 0) varve_buf_str(out, VARVE_STR(","));
        write_failed(&request->conditions[failed->index], failed, out);
    }
    varve_buf_str(out, VARVE_STR("]}"));
}

static void write_id(varve_uuid id, varve_buf *out)
{
    char text[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(id, text);
    varve_buf_printf(out, "\"%s\"", text);
}

void problem_write_append(varve_status status, const varve_appended *appended, const varve_error *error, varve_buf *out)
{
    write_status_head(status, out);
    write_member("detail", varve_str_of(error->message), out);
    if (status == VARVE_INDETERMINATE) {
        varve_buf_str(out, VARVE_STR(",\"ids\":["));
        for (size_t i = 0; i < appended->id_count; i++) {
            if (i > 0) varve_buf_str(out, VARVE_STR(","));
            write_id(appended->ids[i], out);
        }
        varve_buf_str(out, VARVE_STR("]"));
    }
    varve_buf_str(out, VARVE_STR("}"));
}

void problem_write_command(varve_status status, const varve_outcome *outcome, const varve_error *error, bool in_batch,
                           varve_buf *out)
{
    write_status_head(status, out);
    if (status == VARVE_REJECTED) {
        write_member("code", outcome->code, out);
        write_member("message", outcome->message, out);
        if (outcome->repeated) varve_buf_str(out, VARVE_STR(",\"repeated\":true"));
    } else if (in_batch) {
        write_member("code", varve_str_of(varve_status_word(status)), out);
        write_member("message", varve_str_of(error->message), out);
    } else {
        write_member("detail", varve_str_of(error->message), out);
    }
    if (status == VARVE_CONFLICT && error->detail >= 0) {
        varve_buf_printf(out, ",\"current_version\":%llu", (unsigned long long)outcome->current_version);
    }
    if (!varve_uuid_is_nil(outcome->id)) {
        varve_buf_str(out, VARVE_STR(",\"id\":"));
        write_id(outcome->id, out);
    }
    varve_buf_str(out, VARVE_STR("}"));
}
