/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/events.h"
#include "cli/verbs.h"

static const char *const columns[] = { "position", "stream", "version", "type", "recorded_at", "data", NULL };

/* A reading under way. */
struct reading {
    const struct call *call;
    struct items items;
    bool live; /* what is printed should be seen at once */
};

static varve_status begin(void *ctx, uint64_t version, varve_error *error)
{
    (void)version;
    (void)error;
    struct reading *reading = ctx;
    items_init(&reading->items, &reading->call->output, VARVE_STR("{\"events\":["), columns);
    return VARVE_OK;
}

static varve_status add(void *ctx, varve_str json, varve_error *error)
{
    struct reading *reading = ctx;
    varve_status status = items_add(&reading->items, json, error);
    return status == VARVE_OK && reading->live ? items_flush(&reading->items, error) : status;
}

static varve_status caught_up(void *ctx, varve_error *error)
{
    struct reading *reading = ctx;
    reading->live = true;
    return items_flush(&reading->items, error);
}

static varve_status end(struct reading *reading, const struct events_end *at, varve_error *error)
{
    char next[24] = "null";
    char tail[160];
    if (at->next > 0) {
        snprintf(next, sizeof(next), "%" PRIu64, at->next);
    }
    snprintf(tail, sizeof(tail), "],\"last_position\":%" PRIu64 ",\"next\":%s,\"incarnation\":\"%s\"}",
             at->last_position, next, at->incarnation);
    varve_status status = items_end(&reading->items, varve_str_of(tail), error);
    if (at->next > 0 && !reading->call->quiet && reading->call->output.format != OUTPUT_JSON) {
        fprintf(stderr, "more: --after %" PRIu64 " --incarnation %s\n", at->next, at->incarnation);
    }
    return status;
}

/* The values of a repeatable option as views; free them. NULL when memory is out. */
static varve_str *values_of(const struct call *call, enum option option, size_t *count)
{
    *count = call_option_count(call, option);
    varve_str *values = calloc(*count + 1, sizeof(*values));
    for (size_t i = 0; values != NULL && i < *count; i++) {
        values[i] = varve_str_of(call_option_at(call, option, i));
    }
    return values;
}

/* --incarnation in the form that a store tells it. */
static varve_status read_incarnation(const struct call *call, char incarnation[VARVE_UUID_TEXT_BYTES],
                                     varve_error *error)
{
    varve_uuid id = { 0 };
    varve_status status = varve_uuid_parse(&id, call_text(call, OPTION_INCARNATION), NULL);
    varve_uuid_format(id, incarnation);
    return status == VARVE_OK ? status
                              : varve_error_set(error, status, "--incarnation takes a UUID, as `store info` shows it");
}

varve_status run_log_read(struct call *call, varve_error *error)
{
    struct reading reading = { .call = call };
    struct events_sink sink = { .ctx = &reading, .begin = begin, .event = add, .caught_up = caught_up };
    varve_read_options options = {
        .follow = call_option(call, OPTION_FOLLOW) != NULL,
        .correlation_id = call_text(call, OPTION_CORRELATION_ID),
    };
    struct events_end at = { 0 };
    varve_str *types = values_of(call, OPTION_TYPE, &options.type_count);
    varve_str *categories = values_of(call, OPTION_CATEGORY, &options.category_count);
    varve_str *tags = values_of(call, OPTION_TAG, &options.tag_count);
    options.types = types;
    options.categories = categories;
    options.tags = tags;
    char incarnation[VARVE_UUID_TEXT_BYTES];
    varve_status status = call_number(call, OPTION_AFTER, &options.after_position, error);
    if (status == VARVE_OK && call_option(call, OPTION_INCARNATION) != NULL) {
        status = read_incarnation(call, incarnation, error);
        options.incarnation = varve_str_of(incarnation);
    }
    if (status == VARVE_OK) {
        status = call_number(call, OPTION_LIMIT, &options.limit, error);
    }
    if (status == VARVE_OK && (types == NULL || categories == NULL || tags == NULL)) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    if (status == VARVE_OK && options.follow && call->output.format == OUTPUT_JSON) {
        status =
            varve_error_set(error, VARVE_INVALID, "--follow never ends, which a JSON document must: use -o ndjson");
    }
    if (status == VARVE_OK) {
        status = events_read(call, &options, &sink, &at, error);
    }
    if (status == VARVE_OK) {
        status = end(&reading, &at, error);
    }
    items_fini(&reading.items);
    free(tags);
    free(categories);
    free(types);
    return status;
}
