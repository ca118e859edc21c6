/* SPDX-License-Identifier: Apache-2.0 */
/* One aggregate: its state now and in the past, its history, the difference between two points of it. */
#include <inttypes.h>

#include "cli/history.h"
#include "cli/pages.h"
#include "cli/place.h"
#include "cli/verbs.h"

/* Begins the path of a question to a server; `under` is "" or what stands behind the stream. */
static void begin_path(varve_buf *path, const struct call *call, const char *under)
{
    varve_buf_str(path, VARVE_STR("/aggregates"));
    remote_segment(path, varve_str_of(call->arguments[0]));
    varve_buf_str(path, varve_str_of(under));
}

static void add_time(varve_buf *path, const char *name, varve_time time)
{
    char text[VARVE_TIME_TEXT_BYTES];
    if (time != 0) {
        varve_time_format(time, text);
        remote_parameter(path, name, varve_str_of(text));
    }
}

static void add_clock(varve_buf *path, bool timed, varve_clock clock)
{
    if (timed) {
        remote_parameter(path, "clock", clock == VARVE_CLOCK_OCCURRED ? VARVE_STR("occurred") : VARVE_STR("recorded"));
    }
}

/* Sends the question and frees its path. */
static varve_status ask(const struct place *place, varve_buf *path, varve_buf *answer, varve_error *error)
{
    struct remote_request request = { .path = varve_buf_view(path) };
    varve_status status = path->failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for a request")
                                       : remote_send(place->remote, &request, answer, error);
    varve_buf_fini(path);
    return status;
}

/* ---- show ---- */

static varve_status show(const struct call *call, const varve_aggregate_options *options, varve_buf *answer,
                         varve_error *error)
{
    struct place place = { 0 };
    varve_aggregate aggregate = { 0 };
    varve_status status = place_open(&place, call, LOCAL_READ, error);
    if (status == VARVE_OK && place.remote != NULL) {
        varve_buf path = { 0 };
        begin_path(&path, call, "");
        remote_number(&path, "version", options->version);
        add_time(&path, "at", options->at);
        add_clock(&path, options->at != 0, options->clock);
        status = ask(&place, &path, answer, error);
    } else if (status == VARVE_OK) {
        status = varve_aggregate_show(place.local.engine, varve_str_of(call->arguments[0]), options, &aggregate, error);
        if (status == VARVE_OK) {
            varve_aggregate_write_json(&aggregate, answer);
        }
        varve_aggregate_fini(&aggregate);
    }
    place_close(&place);
    return status;
}

varve_status run_aggregate_show(struct call *call, varve_error *error)
{
    varve_aggregate_options options = { 0 };
    varve_buf answer = { 0 };
    varve_status status = call_number(call, OPTION_VERSION, &options.version, error);
    if (status == VARVE_OK) {
        status = call_time(call, OPTION_AT, &options.at, error);
    }
    if (status == VARVE_OK) {
        status = call_clock(call, &options.clock, error);
    }
    if (status == VARVE_OK && call_option(call, OPTION_VERSION) != NULL && options.at != 0) {
        status = varve_error_set(error, VARVE_INVALID, "--version and --at exclude each other");
    }
    if (status == VARVE_OK && call_option(call, OPTION_VERSION) != NULL && options.version == 0) {
        status = varve_error_set(error, VARVE_INVALID, "--version begins at 1");
    }
    if (status == VARVE_OK && call_option(call, OPTION_CLOCK) != NULL && options.at == 0) {
        status = varve_error_set(error, VARVE_INVALID, "--clock says which time --at means: give --at too");
    }
    if (status == VARVE_OK) {
        status = show(call, &options, &answer, error);
    }
    if (status == VARVE_OK && answer.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory for the answer");
    }
    if (status == VARVE_OK) {
        status = output_document(&call->output, varve_buf_view(&answer), error);
    }
    varve_buf_fini(&answer);
    return status;
}

/* ---- history ---- */

/* Entries asked for at once, and rows of the table held back to find the width of its columns. */
enum { HISTORY_PAGE = 200, HISTORY_ROWS_HELD = 200 };

/* A history being printed. */
struct telling {
    const struct call *call;
    struct items items; /* as JSON … */
    struct table table; /* … or for people */
    bool for_people;
};

static varve_status begin(struct telling *telling, varve_error *error)
{
    varve_buf head = { 0 };
    telling->for_people = telling->call->output.format == OUTPUT_TABLE;
    if (telling->for_people) {
        history_columns(&telling->table);
        return VARVE_OK;
    }
    varve_buf_str(&head, VARVE_STR("{\"stream\":"));
    varve_buf_json_string(&head, varve_str_of(telling->call->arguments[0]));
    varve_buf_str(&head, VARVE_STR(",\"entries\":["));
    bool failed = head.failed;
    if (!failed) {
        items_init(&telling->items, &telling->call->output, varve_buf_view(&head), NULL);
    }
    varve_buf_fini(&head);
    return failed ? varve_error_set(error, VARVE_NOMEM, "out of memory") : VARVE_OK;
}

static varve_status flush_table(struct telling *telling, varve_error *error)
{
    const struct output *output = &telling->call->output;
    return table_flush(&telling->table, output->file, output->width, output->colour, error);
}

static varve_status add_entry(void *ctx, varve_str entry, varve_error *error)
{
    struct telling *telling = ctx;
    if (!telling->for_people) {
        return items_add(&telling->items, entry, error);
    }
    varve_status status = history_rows(&telling->table, entry, error);
    return status == VARVE_OK && table_rows(&telling->table) >= HISTORY_ROWS_HELD ? flush_table(telling, error)
                                                                                  : status;
}

static varve_status end(struct telling *telling, uint64_t next, varve_error *error)
{
    char tail[48] = "],\"next\":null}";
    if (next > 0) {
        snprintf(tail, sizeof(tail), "],\"next\":%" PRIu64 "}", next);
    }
    varve_status status =
        telling->for_people ? flush_table(telling, error) : items_end(&telling->items, varve_str_of(tail), error);
    if (next > 0 && !telling->call->quiet && telling->call->output.format != OUTPUT_JSON) {
        fprintf(stderr, "more: --from %" PRIu64 "\n", next);
    }
    return status;
}

/* A page of history as JSON. */
static varve_status read_page(const struct place *place, const struct call *call, const varve_history_options *options,
                              varve_buf *page, varve_error *error)
{
    varve_history history = { 0 };
    varve_buf path = { 0 };
    varve_buf_reset(page);
    if (place->remote != NULL) {
        begin_path(&path, call, "/history");
        remote_number(&path, "from", options->from_version);
        remote_number(&path, "limit", options->limit);
        return ask(place, &path, page, error);
    }
    varve_status status =
        varve_aggregate_history(place->local.engine, varve_str_of(call->arguments[0]), options, &history, error);
    if (status == VARVE_OK) {
        varve_history_write_json(&history, page);
        status = page->failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for a history") : VARVE_OK;
    }
    varve_history_fini(&history);
    return status;
}

/* Prints page after page up to `limit` entries (0: all). */
static varve_status tell(struct telling *telling, uint64_t from, uint64_t limit, varve_error *error)
{
    struct place place = { 0 };
    varve_buf page = { 0 };
    uint64_t count = 0;
    varve_history_options options = { .from_version = from };
    varve_status status = place_open(&place, telling->call, LOCAL_READ, error);
    while (status == VARVE_OK) {
        uint64_t left = limit == 0 ? HISTORY_PAGE : limit - count;
        options.limit = left < HISTORY_PAGE ? left : HISTORY_PAGE;
        status = read_page(&place, telling->call, &options, &page, error);
        if (status == VARVE_OK && count == 0) {
            status = begin(telling, error);
        }
        if (status == VARVE_OK) {
            status = page_items(varve_buf_view(&page), "entries", add_entry, telling, &count, error);
        }
        options.from_version = status == VARVE_OK ? page_number(varve_buf_view(&page), "next") : 0;
        if (options.from_version == 0 || (limit > 0 && count >= limit)) {
            break;
        }
    }
    if (status == VARVE_OK) {
        status = end(telling, options.from_version, error);
    }
    varve_buf_fini(&page);
    place_close(&place);
    return status;
}

varve_status run_aggregate_history(struct call *call, varve_error *error)
{
    struct telling telling = { .call = call };
    uint64_t from = 0;
    uint64_t limit = 0;
    varve_status status = call_number(call, OPTION_FROM, &from, error);
    if (status == VARVE_OK) {
        status = call_number(call, OPTION_LIMIT, &limit, error);
    }
    if (status == VARVE_OK) {
        status = tell(&telling, from, limit, error);
    }
    table_fini(&telling.table);
    items_fini(&telling.items);
    return status;
}

/* ---- diff ---- */

/* One end of a difference. */
struct point {
    varve_aggregate_options options;
    bool given;
};

static varve_status read_point(const struct call *call, enum option version, enum option at, struct point *point,
                               varve_error *error)
{
    bool by_version = call_option(call, version) != NULL;
    bool by_time = call_option(call, at) != NULL;
    const char *name = option_specs[version].name;
    point->given = by_version || by_time;
    if (by_version && by_time) {
        return varve_error_set(error, VARVE_INVALID, "--%s and --%s exclude each other", name, option_specs[at].name);
    }
    varve_status status = call_number(call, version, &point->options.version, error);
    if (status == VARVE_OK) {
        status = call_time(call, at, &point->options.at, error);
    }
    if (status == VARVE_OK && by_version && point->options.version == 0) {
        status = varve_error_set(error, VARVE_INVALID,
                                 "--%s begins at 1; without --from it is the state before the first event", name);
    }
    return status;
}

static varve_status read_points(const struct call *call, struct point *from, struct point *to, varve_error *error)
{
    varve_status status = read_point(call, OPTION_FROM, OPTION_FROM_AT, from, error);
    if (status == VARVE_OK) {
        status = read_point(call, OPTION_TO, OPTION_TO_AT, to, error);
    }
    if (status == VARVE_OK && from->options.at != 0) {
        status = call_clock(call, &from->options.clock, error);
    }
    if (status == VARVE_OK && to->options.at != 0) {
        status = call_clock(call, &to->options.clock, error);
    }
    if (status == VARVE_OK && call_option(call, OPTION_CLOCK) != NULL && from->options.at == 0 && to->options.at == 0) {
        status =
            varve_error_set(error, VARVE_INVALID, "--clock says which time is meant: give --from-at or --to-at too");
    }
    return status;
}

static varve_status compare(const struct call *call, const struct point *from, const struct point *to,
                            varve_buf *answer, varve_error *error)
{
    struct place place = { 0 };
    varve_difference difference = { 0 };
    varve_status status = place_open(&place, call, LOCAL_READ, error);
    if (status == VARVE_OK && place.remote != NULL) {
        varve_buf path = { 0 };
        begin_path(&path, call, "/diff");
        remote_number(&path, "from", from->options.version);
        add_time(&path, "from_at", from->options.at);
        remote_number(&path, "to", to->options.version);
        add_time(&path, "to_at", to->options.at);
        add_clock(&path, from->options.at != 0, from->options.clock);
        add_clock(&path, from->options.at == 0 && to->options.at != 0, to->options.clock);
        status = ask(&place, &path, answer, error);
    } else if (status == VARVE_OK) {
        status = varve_aggregate_diff(place.local.engine, varve_str_of(call->arguments[0]),
                                      from->given ? &from->options : NULL, to->given ? &to->options : NULL, &difference,
                                      error);
        if (status == VARVE_OK) {
            varve_difference_write_json(&difference, answer);
        }
        varve_difference_fini(&difference);
    }
    place_close(&place);
    return status;
}

/* The document, or for people the changes and, beside them, between which versions they lie. */
static varve_status print_difference(const struct call *call, varve_str document, varve_error *error)
{
    static const char *const columns[] = { "op", "path", "value", NULL };
    if (call->output.format != OUTPUT_TABLE) {
        return output_document(&call->output, document, error);
    }
    if (!call->quiet) {
        fprintf(stderr, "from version %" PRIu64 " to version %" PRIu64 "\n", page_number(document, "from"),
                page_number(document, "to"));
    }
    return output_list(&call->output, document, "patch", columns, error);
}

varve_status run_aggregate_diff(struct call *call, varve_error *error)
{
    struct point from = { 0 };
    struct point to = { 0 };
    varve_buf answer = { 0 };
    varve_status status = read_points(call, &from, &to, error);
    if (status == VARVE_OK) {
        status = compare(call, &from, &to, &answer, error);
    }
    if (status == VARVE_OK) {
        status = answer.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for the answer")
                               : print_difference(call, varve_buf_view(&answer), error);
    }
    varve_buf_fini(&answer);
    return status;
}
