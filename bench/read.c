/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the whole log. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/bench.h"
#include "bench/measure.h"

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory");
}

static varve_status wrong_count(uint64_t got, uint64_t wanted, varve_error *error)
{
    if (got == wanted) return VARVE_OK;
    return varve_error_set(error, VARVE_CORRUPT, "%llu events were read, not %llu", (unsigned long long)got,
                           (unsigned long long)wanted);
}

/* ---- the whole log ---- */

enum { PAGE_EVENTS = 1000 };

struct reading {
    char path[PLACE_BYTES];
    varve_store *store;
    uint64_t events;
    uint64_t *ns;     /* the time each page of ours took */
    uint64_t touched; /* keeps what is read from being left out */
};

static void close_reading(void *state)
{
    struct reading *reading = state;
    varve_store_close(reading->store);
    free(reading->ns);
    free(reading);
}

static varve_status open_reading(void **state, struct bench *bench, varve_error *error)
{
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL) return no_memory(error);
    char uri[PLACE_BYTES + 8];
    reading->events = bench->corpus.events;
    reading->ns = calloc(reading->events / PAGE_EVENTS + 1, sizeof *reading->ns);
    varve_status status = reading->ns == NULL ? no_memory(error) : VARVE_OK;
    if (status >= 0) status = bench_log(bench, "read.db", reading->path, error);
    if (status >= 0) {
        snprintf(uri, sizeof uri, "sqlite:%s", reading->path);
        const varve_store_options options = { .uri = uri, .must_exist = true };
        status = varve_store_open(&reading->store, &options, error);
    }
    if (status < 0) {
        close_reading(reading);
        return status;
    }
    *state = reading;
    return VARVE_OK;
}

static varve_status ours_reading(void *state, struct sample *sample, varve_error *error)
{
    struct reading *reading = state;
    const varve_read_options whole = { 0 };
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
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
    sample->p50_ns = measure_percentile(reading->ns, reading->events / PAGE_EVENTS, 0.50);
    sample->p99_ns = measure_percentile(reading->ns, reading->events / PAGE_EVENTS, 0.99);
    varve_cursor_close(cursor);
    return status < 0 ? status : wrong_count(events, reading->events, error);
}

static varve_status limit_reading(void *state, struct sample *sample, varve_error *error)
{
    struct reading *reading = state;
    uint64_t events = 0, start = clock_ns();
    varve_status status = bare_read(reading->path, NULL, &events, &reading->touched, error);
    sample->seconds = (double)(clock_ns() - start) / 1e9;
    sample->units = (double)events;
    return status < 0 ? status : wrong_count(events, reading->events, error);
}

const struct row read_log = { "read_log",   "read the whole log", "events/s",    0.7,
                              open_reading, ours_reading,         limit_reading, close_reading };
