/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the whole log of a store on PostgreSQL. */
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bare_postgres.h"
#include "bench/bench.h"
#include "bench/measure.h"
#include "bench/server.h"

enum { PAGE_EVENTS = 1000 };

struct reading {
    const struct server *server;
    varve_store *store;
    struct bare_postgres *bare;
    uint64_t events;
    uint64_t *ns;     /* the time each thousand of ours took */
    uint64_t touched; /* keeps what is read from being left out */
};

static void close_reading(void *state)
{
    struct reading *reading = state;
    varve_store_close(reading->store);
    bare_postgres_close(reading->bare);
    free(reading->ns);
    free(reading);
}

static varve_status open_reading(void **state, struct bench *bench, varve_error *error)
{
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    char uri[SERVER_URI_BYTES];
    reading->events = bench->corpus.events;
    reading->ns = calloc(reading->events / PAGE_EVENTS + 1, sizeof *reading->ns);
    varve_status status = reading->ns == NULL ? varve_error_set(error, VARVE_NOMEM, "no memory") : VARVE_OK;
    if (status >= 0) status = bench_database(bench, "ours", uri, error);
    reading->server = bench->server;
    if (status >= 0) {
        const varve_store_options options = { .uri = uri, .must_exist = true };
        status = varve_store_open(&reading->store, &options, error);
    }
    if (status >= 0) status = bare_postgres_open(&reading->bare, uri, &bench->corpus, error);
    if (status < 0) {
        close_reading(reading);
        return status;
    }
    *state = reading;
    return VARVE_OK;
}

static varve_status check_count(const struct reading *reading, uint64_t events, varve_error *error)
{
    if (events == reading->events) return VARVE_OK;
    return varve_error_set(error, VARVE_CORRUPT, "%llu events were read, not %llu", (unsigned long long)events,
                           (unsigned long long)reading->events);
}

static varve_status ours(void *state, struct sample *sample, varve_error *error)
{
    struct reading *reading = state;
    const varve_read_options whole = { 0 };
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
    double cpu = server_cpu_us(reading->server);
    uint64_t events = 0, start = clock_ns(), page_start = start;
    varve_status status = varve_cursor_open(&cursor, reading->store, &whole, error);
    while (status >= 0 && (status = varve_cursor_next(cursor, &event, error)) == VARVE_OK) {
        reading->touched += (uint8_t)event->data.ptr[0] + event->stream.len;
        if (++events % PAGE_EVENTS != 0 || events > reading->events) continue;
        uint64_t now = clock_ns();
        reading->ns[events / PAGE_EVENTS - 1] = now - page_start;
        page_start = now;
    }
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    sample->other_cpu_us = server_cpu_us(reading->server) - cpu;
    sample->p50_ns = measure_percentile(reading->ns, reading->events / PAGE_EVENTS, 0.50);
    sample->p99_ns = measure_percentile(reading->ns, reading->events / PAGE_EVENTS, 0.99);
    varve_cursor_close(cursor);
    return status < 0 ? status : check_count(reading, events, error);
}

static varve_status limit(void *state, struct sample *sample, varve_error *error)
{
    struct reading *reading = state;
    double cpu = server_cpu_us(reading->server);
    uint64_t events = 0, start = clock_ns();
    varve_status status = bare_postgres_read(reading->bare, NULL, PAGE_EVENTS, &events, &reading->touched, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    sample->other_cpu_us = server_cpu_us(reading->server) - cpu;
    return status < 0 ? status : check_count(reading, events, error);
}

const struct row pg_read_log = {
    "pg_read_log", "PostgreSQL: read the whole log", "events/s", 0.7, open_reading, ours, limit, close_reading
};
