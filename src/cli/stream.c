/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/json.h"
#include "cli/append.h"
#include "cli/events.h"
#include "cli/input.h"
#include "cli/local.h"
#include "cli/verbs.h"

/* ---- append ---- */

static void add_member(varve_buf *out, const char *name, const char *text)
{
    if (text != NULL) {
        varve_buf_printf(out, ",\"%s\":", name);
        varve_buf_json_string(out, varve_str_of(text));
    }
}

/* Appends `metadata`, an object or nothing, with the actor put in. */
static varve_status add_metadata(varve_str metadata, const char *actor, varve_buf *out, varve_error *error)
{
    if (metadata.len == 0 && actor == NULL) {
        return VARVE_OK;
    }
    struct json_scanner scanner;
    json_start(&scanner, metadata);
    bool object = metadata.len > 0 && json_next(&scanner) == JSON_OBJECT;
    if (metadata.len > 0 && !object) {
        return varve_error_set(error, VARVE_INVALID, "--metadata takes a JSON object");
    }
    varve_buf_str(out, VARVE_STR(",\"metadata\":"));
    if (actor == NULL) {
        varve_buf_str(out, metadata);
        return VARVE_OK;
    }
    if (object && json_find(metadata, VARVE_STR("actor"), &(varve_str){ 0 }) != JSON_END) {
        return varve_error_set(error, VARVE_INVALID, "--metadata has an actor already: leave out --actor");
    }
    varve_buf_str(out, VARVE_STR("{\"actor\":"));
    varve_buf_json_string(out, varve_str_of(actor));
    bool members = object && json_next(&scanner) == JSON_KEY;
    const char *rest = object ? (const char *)memchr(metadata.ptr, '{', metadata.len) + 1 : "}";
    size_t rest_len = object ? metadata.len - (size_t)(rest - metadata.ptr) : 1;
    varve_buf_str(out, members ? VARVE_STR(",") : VARVE_STR(""));
    varve_buf_add(out, rest, rest_len);
    return VARVE_OK;
}

/* The event that the options describe, as one append in JSON. */
static varve_status make_document(const struct call *call, varve_uuid id, varve_str data, varve_str metadata,
                                  varve_buf *out, varve_error *error)
{
    varve_str stream = varve_str_of(call->arguments[0]);
    char id_text[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(id, id_text);
    varve_buf_str(out, VARVE_STR("{\"events\":[{\"stream\":"));
    varve_buf_json_string(out, stream);
    add_member(out, "type", call_option(call, OPTION_TYPE));
    add_member(out, "id", id_text);
    add_member(out, "occurred_at", call_option(call, OPTION_OCCURRED_AT));
    size_t tags = call_option_count(call, OPTION_TAG);
    for (size_t i = 0; i < tags; i++) {
        varve_buf_str(out, i == 0 ? VARVE_STR(",\"tags\":[") : VARVE_STR(","));
        varve_buf_json_string(out, varve_str_of(call_option_at(call, OPTION_TAG, i)));
    }
    varve_buf_str(out, tags > 0 ? VARVE_STR("]") : VARVE_STR(""));
    if (data.len > 0) {
        varve_buf_str(out, VARVE_STR(",\"data\":"));
        varve_buf_str(out, data);
    }
    varve_status status = add_metadata(metadata, call_option(call, OPTION_ACTOR), out, error);
    varve_buf_str(out, VARVE_STR("}]"));
    const char *expected = call_option(call, OPTION_EXPECTED_VERSION);
    if (status == VARVE_OK && expected != NULL) {
        varve_condition_kind kind = VARVE_STREAM_ANY;
        uint64_t version = 0;
        status = varve_expected_version_parse(varve_str_of(expected), &kind, &version, error);
        varve_buf_str(out, VARVE_STR(",\"conditions\":[{\"stream\":"));
        varve_buf_json_string(out, stream);
        if (kind == VARVE_STREAM_AT) {
            varve_buf_printf(out, ",\"expected_version\":%" PRIu64 "}]", version);
        } else {
            varve_buf_printf(out, ",\"expected_version\":\"%s\"}]", expected);
        }
    }
    varve_buf_str(out, VARVE_STR("}"));
    if (status == VARVE_OK && out->failed) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    return status;
}

/* Prints {"stream","version","first_position","last_position"} from the answer to the append. */
static varve_status print_appended(const struct call *call, varve_str answer, varve_error *error)
{
    int64_t first = 0;
    int64_t last = 0;
    struct json_scanner scanner;
    varve_str streams = { 0 };
    varve_buf out = { 0 };
    varve_status status = VARVE_OK;
    bool whole = varve_json_int(answer, "first_position", &first, NULL) == VARVE_OK &&
                 varve_json_int(answer, "last_position", &last, NULL) == VARVE_OK &&
                 json_find(answer, VARVE_STR("streams"), &streams) == JSON_OBJECT;
    json_start(&scanner, streams);
    whole = whole && json_next(&scanner) == JSON_OBJECT && json_next(&scanner) == JSON_KEY &&
            json_next(&scanner) == JSON_INTEGER;
    if (!whole) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "appended, but the server's answer is not understood");
    }
    varve_buf_str(&out, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(&out, varve_str_of(call->arguments[0]));
    varve_buf_printf(&out, ",\"version\":%" PRId64 ",\"first_position\":%" PRId64 ",\"last_position\":%" PRId64 "}",
                     scanner.integer, first, last);
    status = out.failed ? varve_error_set(error, VARVE_NOMEM, "appended, but out of memory for the answer")
                        : output_document(&call->output, varve_buf_view(&out), error);
    varve_buf_fini(&out);
    return status;
}

varve_status run_stream_append(struct call *call, varve_error *error)
{
    varve_buf data = { 0 };
    varve_buf metadata = { 0 };
    varve_buf document = { 0 };
    varve_buf answer = { 0 };
    varve_uuid id = { 0 };
    const char *given_id = call_option(call, OPTION_ID);
    varve_status status = VARVE_OK;
    if (call_option_count(call, OPTION_TYPE) != 1) {
        status = varve_error_set(error, VARVE_INVALID, "give the event's type: --type OrderNoted");
    } else if (given_id != NULL) {
        status = varve_uuid_parse(&id, varve_str_of(given_id), error);
    } else {
        id = varve_uuid_new();
    }
    if (status == VARVE_OK) {
        status = input_json(call, OPTION_DATA, &data, error);
    }
    if (status == VARVE_OK) {
        status = input_json(call, OPTION_METADATA, &metadata, error);
    }
    if (status == VARVE_OK) {
        status = make_document(call, id, varve_buf_view(&data), varve_buf_view(&metadata), &document, error);
    }
    if (status == VARVE_OK) {
        status = append_document(call, varve_buf_view(&document), &answer, error);
    }
    if (status == VARVE_OK) {
        status = print_appended(call, varve_buf_view(&answer), error);
    } else if (status == VARVE_INDETERMINATE && given_id == NULL && !call->quiet) {
        char text[VARVE_UUID_TEXT_BYTES];
        varve_uuid_format(id, text);
        fprintf(stderr, "to learn what became of it, repeat the same append with --id %s\n", text);
    }
    varve_buf_fini(&answer);
    varve_buf_fini(&document);
    varve_buf_fini(&metadata);
    varve_buf_fini(&data);
    return status;
}

/* ---- read ---- */

/* A reading under way. */
struct reading {
    const struct call *call;
    struct items items;
    bool begun;
};

static varve_status begin(void *ctx, uint64_t version, varve_error *error)
{
    struct reading *reading = ctx;
    varve_buf head = { 0 };
    varve_buf_str(&head, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(&head, varve_str_of(reading->call->arguments[0]));
    varve_buf_printf(&head, ",\"version\":%" PRIu64 ",\"events\":[", version);
    if (head.failed) {
        varve_buf_fini(&head);
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    items_init(&reading->items, &reading->call->output, varve_buf_view(&head), output_event_columns);
    reading->begun = true;
    varve_buf_fini(&head);
    return VARVE_OK;
}

static varve_status add(void *ctx, varve_str json, varve_error *error)
{
    struct reading *reading = ctx;
    return items_add(&reading->items, json, error);
}

static varve_status end(struct reading *reading, uint64_t next, varve_error *error)
{
    char tail[64];
    if (next > 0) {
        snprintf(tail, sizeof(tail), "],\"next\":%" PRIu64 "}", next);
    } else {
        snprintf(tail, sizeof(tail), "],\"next\":null}");
    }
    varve_status status = items_end(&reading->items, varve_str_of(tail), error);
    if (next > 0 && !reading->call->quiet && reading->call->output.format != OUTPUT_JSON) {
        fprintf(stderr, "more: --from %" PRIu64 "\n", next);
    }
    return status;
}

static varve_status read_options(const struct call *call, varve_read_options *options, varve_error *error)
{
    const char *direction = call_option(call, OPTION_DIRECTION);
    options->stream = varve_str_of(call->arguments[0]);
    options->backward = direction != NULL && strcmp(direction, "backward") == 0;
    if (options->stream.len == 0) {
        return varve_error_set(error, VARVE_INVALID, "the stream's name is empty");
    }
    if (direction != NULL && !options->backward && strcmp(direction, "forward") != 0) {
        return varve_error_set(error, VARVE_INVALID, "--direction takes forward or backward, not '%s'", direction);
    }
    if (call_option(call, OPTION_CLOCK) != NULL && call_option(call, OPTION_AT) == NULL) {
        return varve_error_set(error, VARVE_INVALID, "--clock says which time --at means: give --at too");
    }
    varve_status status = call_number(call, OPTION_FROM, &options->from_version, error);
    if (status == VARVE_OK) {
        status = call_number(call, OPTION_UNTIL_VERSION, &options->until_version, error);
    }
    if (status == VARVE_OK) {
        status = call_number(call, OPTION_LIMIT, &options->limit, error);
    }
    if (status == VARVE_OK) {
        status = call_time(call, OPTION_AT, &options->until_time, error);
    }
    return status == VARVE_OK ? call_clock(call, &options->clock, error) : status;
}

varve_status run_stream_read(struct call *call, varve_error *error)
{
    varve_read_options options = { 0 };
    struct reading reading = { .call = call };
    struct events_sink sink = { .ctx = &reading, .begin = begin, .event = add };
    struct events_end at = { 0 };
    varve_status status = read_options(call, &options, error);
    if (status == VARVE_OK) {
        status = events_read(call, &options, &sink, &at, error);
    }
    if (status == VARVE_OK && reading.begun) {
        status = end(&reading, at.next, error);
    }
    items_fini(&reading.items);
    return status;
}
