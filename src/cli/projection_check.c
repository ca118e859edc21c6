/* SPDX-License-Identifier: Apache-2.0 */
/* Holding a read model against one that is built anew. */
#include <inttypes.h>
#include <varve/projection.h>

#include "cli/progress.h"
#include "cli/projections.h"
#include "cli/verbs.h"

enum { DIFFERENCES_MAX = 100000 };

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
    varve_buf_str(&tail, VARVE_STR("],\"name\":"));
    varve_buf_json_string(&tail, varve_str_of(call->arguments[0]));
    varve_buf_printf(&tail,
                     ",\"position\":%" PRIu64 ",\"tables\":%" PRIu64 ",\"rows_compared\":%" PRIu64
                     ",\"differing\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"extra\":%" PRIu64
                     ",\"tables_differing\":%" PRIu64 ",\"parked\":{\"live\":%" PRIu64 ",\"fresh\":%" PRIu64 "}}",
                     summary->position, summary->tables, summary->rows_compared, summary->differing, summary->missing,
                     summary->extra, summary->tables_differing, summary->parked_live, summary->parked_fresh);
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

static varve_status run(const struct call *call, struct place *place, varve_projection_check_options *options,
                        varve_projection_check_summary *summary, varve_error *error)
{
    static const char *const columns[] = { "table", "kind", "live", "fresh", NULL };
    struct checking checking = { 0 };
    progress_init(&checking.progress, call->arguments[0], call->quiet);
    items_init(&checking.items, &call->output, VARVE_STR("{\"differences\":["), columns);
    options->visit = take_difference;
    options->progress = checking.progress.shown ? show_progress : NULL;
    options->ctx = &checking;
    varve_status status = varve_projection_check(place->local.engine, options, summary, error);
    progress_fini(&checking.progress);
    if (checking.error.status < 0) {
        *error = checking.error;
        status = error->status;
    }
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
