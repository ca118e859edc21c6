/* SPDX-License-Identifier: Apache-2.0 */
/* Holding a read model against one that is built anew. */
#include <inttypes.h>
#include <poll.h>
#include <varve/projection.h>

#include "base/json.h"
#include "cli/progress.h"
#include "cli/projections.h"
#include "cli/verbs.h"

enum { DIFFERENCES_MAX = 100000, LOOK_MS = 50 };

/* A check under way. Differences are printed as they are found. */
struct checking {
    struct progress progress;
    struct items items;
    varve_buf item;
    varve_error error; /* of the difference that could not be printed */
};

static varve_status take_difference(void *ctx, const varve_projection_difference *difference)
{
    struct checking *checking = ctx;
    progress_fini(&checking->progress);
    varve_buf_reset(&checking->item);
    varve_projection_difference_write_json(difference, &checking->item);
    varve_status status = checking->item.failed
                              ? varve_error_set(&checking->error, VARVE_NOMEM, "out of memory")
                              : items_add(&checking->items, varve_buf_view(&checking->item), &checking->error);
    return status < 0 ? VARVE_DONE : VARVE_OK;
}

static varve_status show_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct checking *checking = ctx;
    progress_update(&checking->progress, done, total);
    return VARVE_OK;
}

static uint64_t count_differences(const varve_projection_check_summary *summary)
{
    return summary->differing + summary->missing + summary->extra + summary->tables_differing;
}

/* Ends the list with the summary, which is said on standard error where the list alone is printed. */
static varve_status end(const struct call *call, struct checking *checking,
                        const varve_projection_check_summary *summary, varve_error *error)
{
    varve_buf tail = { 0 };
    varve_buf_str(&tail, VARVE_STR("],"));
    varve_projection_check_write_json(varve_str_of(call->arguments[0]), summary, &tail);
    varve_buf_str(&tail, VARVE_STR("}"));
    varve_status status = tail.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory")
                                      : items_end(&checking->items, varve_buf_view(&tail), error);
    varve_buf_fini(&tail);
    if (status >= 0 && !call->quiet && call->output.format != OUTPUT_JSON) {
        fprintf(stderr,
                "%s at position %" PRIu64 ": %" PRIu64 " rows of %" PRIu64 " tables compared, %" PRIu64
                " differ, %" PRIu64 " missing, %" PRIu64 " extra\n",
                call->arguments[0], summary->position, summary->rows_compared, summary->tables, summary->differing,
                summary->missing, summary->extra);
        if (checking->items.count < count_differences(summary)) {
            fprintf(stderr, "only the first %" PRIu64 " are shown: --limit N shows more\n", checking->items.count);
        }
        if (summary->parked_live != summary->parked_fresh) {
            fprintf(stderr, "%" PRIu64 " events are parked in the live model, %" PRIu64 " in the fresh one\n",
                    summary->parked_live, summary->parked_fresh);
        }
    }
    return status;
}

/* ---- through a server ---- */

/* Asks until the server's check is over; `json` is the document that says what it found. */
static varve_status wait_for_check(struct checking *checking, struct place *place, varve_str name, varve_buf *json,
                                   varve_error *error)
{
    varve_buf state = { 0 }, problem = { 0 };
    varve_status status = projections_send(place, name, "/check", VARVE_STR("{}"), json, error);
    while (status >= 0) {
        int64_t done = 0, total = 0;
        varve_buf_reset(&state);
        varve_buf_reset(json);
        status = projections_send(place, name, "/check", (varve_str){ 0 }, json, error);
        if (status >= 0) {
            status = varve_json_string(varve_buf_view(json), "state", &state, error);
        }
        if (status < 0 || !varve_str_is(varve_buf_view(&state), "running")) {
            break;
        }
        varve_json_int(varve_buf_view(json), "done", &done, NULL);
        varve_json_int(varve_buf_view(json), "total", &total, NULL);
        progress_update(&checking->progress, (uint64_t)done, (uint64_t)total);
        poll(NULL, 0, LOOK_MS);
    }
    if (status >= 0 && varve_json_string(varve_buf_view(json), "problem", &problem, NULL) >= 0) {
        status = varve_error_set(error, VARVE_APPLICATION, "%s", problem.ptr == NULL ? "" : problem.ptr);
    }
    varve_buf_fini(&problem);
    varve_buf_fini(&state);
    return status < 0 ? status : VARVE_OK;
}

static uint64_t number_in(varve_str document, const char *member)
{
    int64_t number = 0;
    varve_json_int(document, member, &number, NULL);
    return (uint64_t)number;
}

static void read_summary(varve_str document, varve_projection_check_summary *summary)
{
    varve_str parked = { 0 };
    *summary = (varve_projection_check_summary){
        .position = number_in(document, "position"),
        .tables = number_in(document, "tables"),
        .rows_compared = number_in(document, "rows_compared"),
        .differing = number_in(document, "differing"),
        .missing = number_in(document, "missing"),
        .extra = number_in(document, "extra"),
        .tables_differing = number_in(document, "tables_differing"),
    };
    if (json_find(document, VARVE_STR("parked"), &parked) == JSON_OBJECT) {
        summary->parked_live = number_in(parked, "live");
        summary->parked_fresh = number_in(parked, "fresh");
    }
}

static varve_status print_differences(struct checking *checking, varve_str document, varve_error *error)
{
    struct json_scanner scanner;
    varve_str list = { 0 }, item = { 0 };
    varve_status status = VARVE_OK;
    if (json_find(document, VARVE_STR("differences"), &list) != JSON_ARRAY) {
        return varve_error_set(error, VARVE_INVALID, "the server's answer has no list of differences");
    }
    json_start_around(&scanner, list);
    json_next(&scanner);
    for (enum json_token token = json_next(&scanner); status >= 0 && token == JSON_OBJECT;
         token = json_next(&scanner)) {
        status = json_skip(&scanner, token, &item) == JSON_ERROR
                     ? varve_error_set(error, VARVE_INVALID, "the server's answer has a broken list of differences")
                     : items_add(&checking->items, item, error);
    }
    return status;
}

static varve_status check_there(struct checking *checking, struct place *place, varve_str name,
                                varve_projection_check_summary *summary, varve_error *error)
{
    varve_buf json = { 0 };
    varve_status status = wait_for_check(checking, place, name, &json, error);
    progress_fini(&checking->progress);
    if (status >= 0) {
        read_summary(varve_buf_view(&json), summary);
        status = print_differences(checking, varve_buf_view(&json), error);
    }
    varve_buf_fini(&json);
    return status;
}

/* ---- here ---- */

static varve_status check_here(struct checking *checking, struct place *place, varve_projection_check_options *options,
                               varve_projection_check_summary *summary, varve_error *error)
{
    options->visit = take_difference;
    options->progress = checking->progress.shown ? show_progress : NULL;
    options->ctx = checking;
    varve_status status = varve_projection_check(place->local.engine, options, summary, error);
    progress_fini(&checking->progress);
    if (checking->error.status < 0) {
        *error = checking->error;
        status = error->status;
    }
    return status;
}

static varve_status run(const struct call *call, struct place *place, varve_projection_check_options *options,
                        varve_projection_check_summary *summary, varve_error *error)
{
    static const char *const columns[] = { "table", "kind", "live", "fresh", NULL };
    struct checking checking = { 0 };
    progress_init(&checking.progress, call->arguments[0], call->quiet);
    items_init(&checking.items, &call->output, VARVE_STR("{\"differences\":["), columns);
    varve_status status = place->remote != NULL ? check_there(&checking, place, options->name, summary, error)
                                                : check_here(&checking, place, options, summary, error);
    if (status >= 0) {
        status = end(call, &checking, summary, error);
    }
    items_fini(&checking.items);
    varve_buf_fini(&checking.item);
    return status;
}

varve_status run_projection_check(struct call *call, varve_error *error)
{
    varve_projection_check_options options = { .name = varve_str_of(call->arguments[0]) };
    varve_projection_check_summary summary = { 0 };
    struct place place = { 0 };
    varve_status status = call_number(call, OPTION_LIMIT, &options.limit, error);
    if (status >= 0 && options.limit > DIFFERENCES_MAX) {
        status = varve_error_set(error, VARVE_INVALID, "--limit is at most %d", DIFFERENCES_MAX);
    }
    if (status >= 0 && call->server != NULL && call_option(call, OPTION_LIMIT) != NULL) {
        status = varve_error_set(error, VARVE_INVALID, "a server keeps 100 differences: --limit is for a --store");
    }
    if (status >= 0) {
        status = place_open(&place, call, LOCAL_READ, error);
    }
    if (status >= 0) {
        status = run(call, &place, &options, &summary, error);
    }
    place_close(&place);
    if (status >= 0 && count_differences(&summary) > 0) {
        status = varve_error_set(error, VARVE_CORRUPT,
                                 "the model of %s is not what the log makes: %" PRIu64
                                 " differences; `varve projection rebuild` makes it anew",
                                 call->arguments[0], count_differences(&summary));
    }
    return status;
}
