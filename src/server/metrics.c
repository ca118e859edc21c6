/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "server/routes.h"

/* The statuses that are counted apart; anything else counts as the last. */
static const unsigned statuses[] = { 200, 202, 400, 403, 404, 405, 408, 409, 412, 413,
                                     415, 421, 422, 500, 501, 503, 504, 507, 0 };

#define STATUS_COUNT (sizeof statuses / sizeof *statuses)

struct metrics {
    size_t route_count;
    atomic_ullong cut;
    atomic_size_t held;
    atomic_ullong requests[]; /* a row of STATUS_COUNT a route, and one for what is no route */
};

struct metrics *metrics_new(void)
{
    size_t route_count = routes_count();
    size_t cells = (route_count + 1) * STATUS_COUNT;
    struct metrics *metrics = calloc(1, sizeof *metrics + cells * sizeof *metrics->requests);
    if (metrics != NULL) metrics->route_count = route_count;
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

void metrics_count(struct metrics *metrics, size_t route, unsigned status)
{
    size_t i = 0;
    while (statuses[i] != status && statuses[i] != 0) i++;
    atomic_fetch_add_explicit(&metrics->requests[route * STATUS_COUNT + i], 1, memory_order_relaxed);
}

void metrics_count_cut(struct metrics *metrics)
{
    atomic_fetch_add_explicit(&metrics->cut, 1, memory_order_relaxed);
}

size_t metrics_hold(struct metrics *metrics, size_t bytes)
{
    return atomic_fetch_add_explicit(&metrics->held, bytes, memory_order_relaxed) + bytes;
}

void metrics_let_go(struct metrics *metrics, size_t bytes)
{
    atomic_fetch_sub_explicit(&metrics->held, bytes, memory_order_relaxed);
}

static void family(const char *name, const char *type, const char *help, varve_buf *out)
{
    varve_buf_printf(out, "# HELP varve_%s %s\n# TYPE varve_%s %s\n", name, help, name, type);
}

static void single(const char *name, const char *type, const char *help, uint64_t value, varve_buf *out)
{
    family(name, type, help, out);
    varve_buf_printf(out, "varve_%s %llu\n", name, (unsigned long long)value);
}

void metrics_write_requests(const struct metrics *metrics, varve_buf *out)
{
    family("http_requests_total", "counter", "Requests answered, by route and status.", out);
    for (size_t route = 0; route <= metrics->route_count; route++) {
        for (size_t i = 0; i < STATUS_COUNT; i++) {
            unsigned long long count =
                atomic_load_explicit(&metrics->requests[route * STATUS_COUNT + i], memory_order_relaxed);
            if (count == 0) continue;
            varve_buf_printf(out, "varve_http_requests_total{method=\"%s\",route=\"%s\",status=\"%u\"} %llu\n",
                             routes_method(route), routes_path(route), statuses[i], count);
        }
    }
    single("http_connections_cut_total", "counter", "Connections cut off because their request did not come in time.",
           atomic_load_explicit(&metrics->cut, memory_order_relaxed), out);
    single("http_body_bytes", "gauge", "Bytes held of the bodies of requests that are not answered yet.",
           atomic_load_explicit(&metrics->held, memory_order_relaxed), out);
}

static void labelled(const char *name, const char *label, const char *word, uint64_t value, varve_buf *out)
{
    varve_buf_printf(out, "varve_%s{%s=\"%s\"} %llu\n", name, label, word, (unsigned long long)value);
}

/* A family's lines stand together, so each of a projection's numbers is collected apart. */
enum projection_number {
    PROJECTION_POSITION,
    PROJECTION_LAG,
    PROJECTION_FAULTED,
    PROJECTION_PARKED,
    PROJECTION_EVENTS,
    PROJECTION_FAILURES,
    PROJECTION_REBUILD,
    PROJECTION_DONE,
    PROJECTION_TOTAL,
    PROJECTION_NUMBERS
};

static const struct {
    const char *name, *type, *help;
} projection_families[PROJECTION_NUMBERS] = {
    [PROJECTION_POSITION] = { "projection_position", "gauge", "Position of the generation that serves." },
    [PROJECTION_LAG] = { "projection_lag_events", "gauge", "Events between the projection and the head." },
    [PROJECTION_FAULTED] = { "projection_faulted", "gauge", "1 when the projection stopped at an event that fails." },
    [PROJECTION_PARKED] = { "projection_parked_events", "gauge",
                            "Events that could not be applied and are set aside." },
    [PROJECTION_EVENTS] = { "projection_events_total", "counter",
                            "Events applied by this process, rebuilds included." },
    [PROJECTION_FAILURES] = { "projection_failures_total", "counter",
                              "Attempts of this process that failed, repeated ones included." },
    [PROJECTION_REBUILD] = { "projection_rebuilding", "gauge", "1 while it is rebuilt or waits for its turn." },
    [PROJECTION_DONE] = { "projection_rebuild_position", "gauge", "Position of the generation that is being built." },
    [PROJECTION_TOTAL] = { "projection_rebuild_total", "gauge", "Position that it is built up to." },
};

struct projection_lines {
    varve_buf lines[PROJECTION_NUMBERS];
};

static void visit_projection(void *ctx, const varve_projection_status *status)
{
    struct projection_lines *lines = ctx;
    const uint64_t numbers[PROJECTION_NUMBERS] = {
        [PROJECTION_POSITION] = status->position,
        [PROJECTION_LAG] = status->head > status->position ? status->head - status->position : 0,
        [PROJECTION_FAULTED] = status->state == VARVE_PROJECTION_FAULTED,
        [PROJECTION_PARKED] = status->parked,
        [PROJECTION_EVENTS] = status->events_applied,
        [PROJECTION_FAILURES] = status->failures,
        [PROJECTION_REBUILD] = status->rebuilding,
        [PROJECTION_DONE] = status->rebuild_done,
        [PROJECTION_TOTAL] = status->rebuild_total,
    };
    for (int i = 0; i < PROJECTION_NUMBERS; i++) {
        if (i >= PROJECTION_DONE && !status->rebuilding) break;
        varve_buf_printf(&lines->lines[i], "varve_%s{projection=", projection_families[i].name);
        varve_buf_json_string(&lines->lines[i], status->name); /* escapes what is escaped here, in the same way */
        varve_buf_printf(&lines->lines[i], "} %llu\n", (unsigned long long)numbers[i]);
    }
}

static void write_projections(varve_engine *engine, varve_buf *out)
{
    struct projection_lines lines = { 0 };
    varve_status status = varve_projection_list(engine, (varve_str){ NULL, 0 }, visit_projection, &lines, NULL);
    for (int i = 0; i < PROJECTION_NUMBERS; i++) {
        if (status >= 0 && lines.lines[i].len > 0) {
            family(projection_families[i].name, projection_families[i].type, projection_families[i].help, out);
            varve_buf_str(out, varve_buf_view(&lines.lines[i]));
        }
        varve_buf_fini(&lines.lines[i]);
    }
}

void metrics_write_engine(varve_engine *engine, varve_buf *out)
{
    varve_engine_stats stats = { 0 };
    uint64_t head = 0;
    varve_engine_get_stats(engine, &stats);
    family("appends_total", "counter", "Appends, by result.", out);
    labelled("appends_total", "result", "accepted", stats.appends_accepted, out);
    labelled("appends_total", "result", "refused", stats.appends_refused, out);
    single("events_appended_total", "counter", "Events appended.", stats.events_appended, out);
    single("commits_total", "counter", "Commits, each with one flush to disk.", stats.commits, out);
    single("store_writable", "gauge", "0 when the store takes no writes.", stats.writable, out);
    single("append_queue_length", "gauge", "Appends waiting for the writer.", stats.append_queue, out);
    family("commands_total", "counter", "Commands, by result.", out);
    labelled("commands_total", "result", "accepted", stats.commands_accepted, out);
    labelled("commands_total", "result", "rejected", stats.commands_rejected, out);
    labelled("commands_total", "result", "failed", stats.commands_failed, out);
    single("command_retries_total", "counter", "Commands decided again after a conflict.", stats.command_retries, out);
    single("command_queue_length", "gauge", "Commands waiting for a worker.", stats.command_queue, out);
    family("enrichments_total", "counter", "Enrichments of commands, by result.", out);
    labelled("enrichments_total", "result", "done", stats.enrichments - stats.enrichments_failed, out);
    labelled("enrichments_total", "result", "failed", stats.enrichments_failed, out);
    single("enrichment_milliseconds_total", "counter", "Time that enrichments took.", stats.enrichment_ms, out);
    single("enrichment_queue_length", "gauge", "Commands waiting for their enrichment.", stats.enrichment_queue, out);
    family("scheduled_total", "counter", "Scheduled commands that this process executed, by result.", out);
    labelled("scheduled_total", "result", "accepted", stats.scheduled_executed, out);
    labelled("scheduled_total", "result", "rejected", stats.scheduled_rejected, out);
    labelled("scheduled_total", "result", "failed", stats.scheduled_failed, out);
    single("scheduled_retries_total", "counter", "Attempts at scheduled commands that will be repeated.",
           stats.scheduled_retries, out);
    single("scheduled_running", "gauge", "Scheduled commands being executed by this process.", stats.scheduled_running,
           out);
    if (varve_store_head(varve_engine_store(engine), &head, NULL) >= 0) {
        single("log_position", "gauge", "The head of the log; also the number of events.", head, out);
    }
    write_projections(engine, out);
}
