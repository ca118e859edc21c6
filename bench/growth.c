/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cost against length: a log that grows tenfold from step to step, beside one that stays small. Both
 * are measured in turns, so that what the machine does meanwhile happens to both.
 */
#include <stdio.h>
#include <stdlib.h>

#include <varve/engine.h>

#include "base/clock.h"
#include "bench/bare.h"
#include "bench/bench.h"
#include "bench/callers.h"
#include "bench/measure.h"
#include "bench/orders.h"
#include "bench/print.h"

/* One event in ten is the long stream's; so the others have as many streams as events allow names for. */
#define LONG_STREAM  VARVE_STR("order-long")
#define SHORT_STREAM VARVE_STR("order-short")
#define OTHER_STREAM VARVE_STR("order-other")

enum {
    SMALL = 10000,
    EVENTS_A_STREAM = 10,
    SMALL_STREAMS = SMALL / EVENTS_A_STREAM,
    SHORT_EVENTS = 100,
    TAIL = 25, /* events behind the snapshot of both streams: what a load folds */
    AT_ONCE = 1000,
    CALLERS = 256,
    ROUNDS = 5,
    QUICK_ROUNDS = 2,
    CALLS_MAX = 2000,
    REPORT_S = 5,
    WRITING_PAGES = 1 << 16, /* of write-ahead log between checkpoints while a log is written */
};

/* A call may cost so many times what it costs in the small log, however long the log is. */
#define COST_MOST 2.0

/* A log, open. */
struct side {
    struct corpus corpus;
    char path[PLACE_BYTES];
    uint64_t events; /* written to it; also the number of the next */
    varve_engine *engine;
    struct bare *bare;         /* while there is no engine … */
    uint64_t bare_next;        /* … and the number of its next event */
    varve_uuid ids[CALLS_MAX]; /* of events from all over the log */
};

static varve_status check(bool holds, const char *what, varve_error *error)
{
    return holds ? VARVE_OK : varve_error_set(error, VARVE_CORRUPT, "growth: %s", what);
}

/* ---- writing ---- */

static varve_event event_of(const struct side *side, uint64_t number, char name[CORPUS_NAME_BYTES])
{
    varve_event event = corpus_event(&side->corpus, number, name);
    if (number % EVENTS_A_STREAM == 9) event.stream = LONG_STREAM;
    if (number % EVENTS_A_STREAM == 8 && number < SHORT_EVENTS * EVENTS_A_STREAM) event.stream = SHORT_STREAM;
    return event;
}

static varve_status write_events(struct side *side, varve_store *store, uint64_t until, varve_error *error)
{
    varve_event events[AT_ONCE];
    char names[AT_ONCE][CORPUS_NAME_BYTES];
    varve_status status = VARVE_OK;
    uint64_t start = clock_ns(), reported = start, first = side->events;
    while (side->events < until && status >= 0) {
        varve_append_request request = { .events = events };
        for (; request.event_count < AT_ONCE && side->events < until; side->events++, request.event_count++)
            events[request.event_count] = event_of(side, side->events, names[request.event_count]);
        status = varve_append(store, &request, NULL, error);
        if (status >= 0) status = bench_go_on(error);
        uint64_t now = clock_ns();
        if (now - reported < REPORT_S * UINT64_C(1000000000)) continue;
        reported = now;
        fprintf(stderr, "varve-bench: growth, %llu of %llu events written, %.0f/s\n", (unsigned long long)side->events,
                (unsigned long long)until, (double)(side->events - first) / ((double)(now - start) / 1e9));
    }
    return status;
}

/* Grows a log that is not open, without a flush for each append. */
static varve_status grow(struct side *side, uint64_t until, varve_error *error)
{
    char uri[PLACE_BYTES + 8];
    varve_store *store = NULL;
    side->corpus.streams = until / EVENTS_A_STREAM;
    if (side->events >= until) return VARVE_OK;
    fprintf(stderr, "varve-bench: growth, writing a log of %llu events\n", (unsigned long long)until);
    snprintf(uri, sizeof uri, "sqlite:%s", side->path);
    const varve_store_options options = { .uri = uri,
                                          .durability = VARVE_DURABILITY_RELAXED,
                                          .checkpoint_pages = WRITING_PAGES };
    varve_status status = varve_store_open(&store, &options, error);
    if (status >= 0) status = write_events(side, store, until, error);
    varve_store_close(store);
    return status;
}

/* Appends events to one stream, all at once. */
static varve_status extend(struct side *side, varve_str stream, uint64_t count, varve_error *error)
{
    varve_event events[TAIL];
    const varve_append_request request = { .events = events, .event_count = count };
    for (uint64_t i = 0; i < count; i++) {
        char name[CORPUS_NAME_BYTES];
        events[i] = corpus_event(&side->corpus, side->events++, name);
        events[i].stream = stream;
    }
    return count == 0 ? VARVE_OK : varve_append(varve_engine_store(side->engine), &request, NULL, error);
}

/* ---- opening ---- */

static varve_status show(struct side *side, varve_str stream, uint64_t *replayed, varve_error *error)
{
    varve_aggregate aggregate = { 0 };
    varve_status status = varve_aggregate_show(side->engine, stream, NULL, &aggregate, error);
    *replayed = aggregate.events_replayed;
    varve_aggregate_fini(&aggregate);
    return status;
}

/* Sees to it that the stream has a snapshot and just a tail behind it. */
static varve_status prepare_stream(struct side *side, varve_str stream, varve_error *error)
{
    uint64_t replayed = 0;
    varve_status status = show(side, stream, &replayed, error);
    if (status >= 0) status = extend(side, OTHER_STREAM, 1, error); /* the snapshot goes with it */
    if (status >= 0) status = show(side, stream, &replayed, error);
    if (status >= 0) status = check(replayed <= TAIL, "a look has left no snapshot", error);
    if (status >= 0) status = extend(side, stream, TAIL - replayed, error);
    if (status >= 0) status = show(side, stream, &replayed, error);
    return status >= 0 ? check(replayed == TAIL, "a snapshot is not used", error) : status;
}

static varve_status collect_ids(struct side *side, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (uint64_t i = 0; i < CALLS_MAX && status >= 0; i++) {
        const varve_read_options options = { .after_position = i * 2654435761u % side->events, .limit = 1 };
        const varve_event *event = NULL;
        varve_cursor *cursor = NULL;
        status = varve_cursor_open(&cursor, varve_engine_store(side->engine), &options, error);
        if (status >= 0) status = varve_cursor_next(cursor, &event, error);
        if (status == VARVE_OK) side->ids[i] = event->id;
        varve_cursor_close(cursor);
    }
    return status;
}

static varve_status open_side(struct side *side, varve_error *error)
{
    char uri[PLACE_BYTES + 8];
    snprintf(uri, sizeof uri, "sqlite:%s", side->path);
    const varve_engine_options options = { .store = uri, .must_exist = true };
    varve_status status = varve_engine_open(&side->engine, &options, error);
    if (status >= 0) status = varve_engine_add_decider(side->engine, &orders_decider, NULL, error);
    if (status >= 0) status = varve_engine_start(side->engine, error);
    if (status >= 0) status = prepare_stream(side, LONG_STREAM, error);
    if (status >= 0) status = prepare_stream(side, SHORT_STREAM, error);
    return status >= 0 ? collect_ids(side, error) : status;
}

static void close_side(struct side *side)
{
    varve_engine_close(side->engine);
    side->engine = NULL;
}

/* ---- what is measured: `count` calls ---- */

static varve_status append(struct side *side, uint64_t index, varve_error *error)
{
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(&side->corpus, side->events + index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append(varve_engine_store(side->engine), &request, NULL, error);
}

static void appended(void *ctx, varve_status status, const varve_appended *result, const varve_error *error)
{
    (void)result;
    callers_answered(ctx, status, error);
}

/* Over all streams, of which there are more in a longer log. */
static varve_status send_append(void *ctx, uint64_t index, struct callers_slot *slot, varve_error *error)
{
    struct side *side = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(&side->corpus, side->events + index, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append_async(varve_engine_store(side->engine), &request, appended, slot, error);
}

/* Over as many streams as the small log has. */
static varve_status send_append_to_few(void *ctx, uint64_t index, struct callers_slot *slot, varve_error *error)
{
    struct side *side = ctx;
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(&side->corpus, side->events + index, name);
    event.stream.len = corpus_name(corpus_number(name) % SMALL_STREAMS, name);
    const varve_append_request request = { .events = &event, .event_count = 1 };
    return varve_append_async(varve_engine_store(side->engine), &request, appended, slot, error);
}

static varve_status load_long(struct side *side, uint64_t index, varve_error *error)
{
    uint64_t replayed = 0;
    (void)index;
    varve_status status = show(side, LONG_STREAM, &replayed, error);
    return status >= 0 ? check(replayed == TAIL, "a snapshot is not used", error) : status;
}

static varve_status load_short(struct side *side, uint64_t index, varve_error *error)
{
    uint64_t replayed = 0;
    (void)index;
    varve_status status = show(side, SHORT_STREAM, &replayed, error);
    return status >= 0 ? check(replayed == TAIL, "a snapshot is not used", error) : status;
}

static varve_status find(struct side *side, uint64_t index, varve_error *error)
{
    varve_event event = { 0 };
    varve_buf memory = { 0 };
    varve_status status = varve_event_find(varve_engine_store(side->engine), side->ids[index], &event, &memory, error);
    varve_buf_fini(&memory);
    return status;
}

/* What a commit of 256 events costs without varve. */
static varve_status append_bare(struct side *side, uint64_t index, varve_error *error)
{
    (void)index;
    uint64_t first = side->bare_next;
    side->bare_next += CALLERS;
    return bare_append(side->bare, first, CALLERS, CALLERS, error);
}

struct measured {
    const char *name;
    uint64_t calls; /* a round */
    bool appends;
    /* One after the other, or many outstanding. */
    varve_status (*call)(struct side *side, uint64_t index, varve_error *error);
    varve_status (*send)(void *side, uint64_t index, struct callers_slot *slot, varve_error *error);
};

static const struct measured ours[] = {
    { "append_1", 200, true, append, NULL },
    { "append_256_async", (uint64_t)4 * CALLERS, true, NULL, send_append },
    { "append_256_few", (uint64_t)4 * CALLERS, true, NULL, send_append_to_few },
    { "load_long", 500, false, load_long, NULL },
    { "load_short", 500, false, load_short, NULL },
    { "read_by_id", CALLS_MAX, false, find, NULL },
};

static const struct measured limits[] = { { "bare_256", 8, false, append_bare, NULL } };

enum { OURS = sizeof ours / sizeof ours[0], LIMITS = sizeof limits / sizeof limits[0] };

static varve_status take(const struct measured *what, struct side *side, uint64_t *ns, varve_error *error)
{
    const struct callers callers = {
        .callers = CALLERS, .count = what->calls, .ctx = side, .send = what->send, .ns = ns
    };
    varve_status status = VARVE_OK;
    double seconds = 0;
    if (what->send != NULL) status = callers_send(&callers, &seconds, error);
    for (uint64_t i = 0; i < what->calls && what->send == NULL && status >= 0; i++) {
        uint64_t start = clock_ns();
        status = what->call(side, i, error);
        ns[i] = clock_ns() - start;
    }
    if (what->appends) side->events += what->calls;
    return status;
}

/* ---- a step ---- */

/* The calls of all rounds together, and what the rounds came to. */
struct taken {
    uint64_t large[ROUNDS * CALLS_MAX], small[ROUNDS * CALLS_MAX];
    double cost[ROUNDS];
    unsigned rounds;
};

static varve_status take_pair(const struct measured *what, struct side *large, struct side *small, struct taken *taken,
                              varve_error *error)
{
    uint64_t *large_ns = taken->large + taken->rounds * what->calls;
    uint64_t *small_ns = taken->small + taken->rounds * what->calls;
    varve_status status = take(what, large, large_ns, error);
    if (status >= 0) status = take(what, small, small_ns, error);
    if (status >= 0) status = bench_go_on(error);
    if (status < 0) return status;
    uint64_t p50 = measure_percentile(large_ns, what->calls, 0.50);
    uint64_t small_p50 = measure_percentile(small_ns, what->calls, 0.50);
    taken->cost[taken->rounds++] = small_p50 > 0 ? (double)p50 / (double)small_p50 : 0;
    return VARVE_OK;
}

static void print_taken(const struct measured *what, uint64_t events, struct taken *taken)
{
    size_t calls = taken->rounds * what->calls;
    double cost = measure_median(taken->cost, taken->rounds);
    printf("%-16s", what->name);
    print_number((double)events, "", 10);
    print_time((double)measure_percentile(taken->large, calls, 0.50));
    print_time((double)measure_percentile(taken->large, calls, 0.99));
    print_time((double)measure_percentile(taken->small, calls, 0.50));
    print_time((double)measure_percentile(taken->small, calls, 0.99));
    printf("  %5.2f  %4.2f-%-4.2f", cost, taken->cost[0], taken->cost[taken->rounds - 1]);
    if (what->call != append_bare) printf("  %5.2f  %s", COST_MOST, cost < COST_MOST + 0.005 ? "ok" : "above");
    printf("\n");
    fflush(stdout);
}

/* The two logs of a step. */
struct pair {
    struct side *large, *small;
    uint64_t events;
    unsigned rounds;
};

static varve_status measure(const struct pair *pair, const struct measured *measured, size_t count, varve_error *error)
{
    struct taken *taken = calloc(count, sizeof *taken);
    if (taken == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    varve_status status = VARVE_OK;
    /* One round is not counted: it fills the caches. */
    for (unsigned round = 0; round <= pair->rounds && status >= 0; round++) {
        fprintf(stderr, "varve-bench: growth to %llu, round %u of %u\n", (unsigned long long)pair->events, round,
                pair->rounds);
        for (size_t i = 0; i < count && status >= 0; i++) {
            status = take_pair(&measured[i], pair->large, pair->small, &taken[i], error);
            if (round == 0) taken[i].rounds = 0;
        }
    }
    for (size_t i = 0; i < count && status >= 0; i++) print_taken(&measured[i], pair->events, &taken[i]);
    free(taken);
    return status;
}

static varve_status measure_ours(const struct pair *pair, varve_error *error)
{
    varve_status status = open_side(pair->large, error);
    if (status >= 0) status = open_side(pair->small, error);
    if (status >= 0) status = measure(pair, ours, OURS, error);
    close_side(pair->large);
    close_side(pair->small);
    return status;
}

static varve_status open_bare(struct side *side, varve_error *error)
{
    side->bare_next = side->events;
    return bare_open(&side->bare, side->path, &side->corpus, error);
}

/* The large log goes on growing, so what has no checksums leaves it again. */
static varve_status close_bare(struct side *side, varve_error *error)
{
    varve_status status = side->bare != NULL ? bare_undo(side->bare, error) : VARVE_OK;
    bare_close(side->bare);
    side->bare = NULL;
    return status;
}

static varve_status measure_limits(const struct pair *pair, varve_error *error)
{
    varve_status status = open_bare(pair->large, error);
    if (status >= 0) status = open_bare(pair->small, error);
    if (status >= 0) status = measure(pair, limits, LIMITS, error);
    varve_status large_closed = close_bare(pair->large, status >= 0 ? error : NULL);
    varve_status small_closed = close_bare(pair->small, status >= 0 && large_closed >= 0 ? error : NULL);
    if (status >= 0) status = large_closed;
    return status >= 0 ? small_closed : status;
}

/* Grows the large log, and measures it beside a fresh copy of the small one. */
static varve_status step(const struct pair *pair, const struct side *original, varve_error *error)
{
    varve_status status = grow(pair->large, pair->events, error);
    if (status >= 0) status = place_copy(original->path, pair->small->path, error);
    pair->small->events = original->events;
    pair->small->corpus.streams = original->corpus.streams;
    if (status >= 0) status = measure_ours(pair, error);
    return status >= 0 ? measure_limits(pair, error) : status;
}

enum { LARGE, ORIGINAL, COPY, SIDES };

static varve_status run_growth(struct bench *bench, varve_error *error)
{
    static const char *const names[SIDES] = { "large.db", "small.db", "small-copy.db" };
    struct side *sides = calloc(SIDES, sizeof *sides);
    if (sides == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < SIDES && status >= 0; i++) {
        corpus_init(&sides[i].corpus, SMALL_STREAMS, SMALL);
        status = place_path(sides[i].path, bench->folder, names[i], error);
    }
    if (status >= 0) status = grow(&sides[ORIGINAL], SMALL, error);
    printf("\ncost against length: p50 and p99 of one call, and those in a log of 10,000 events beside it\n\n");
    printf("%-16s %10s %8s %8s %8s %8s  %5s  %-9s  %5s  %s\n", "row", "events", "p50", "p99", "p50", "p99", "cost",
           "from-to", "most", "verdict");
    struct pair pair = { &sides[LARGE], &sides[COPY], SMALL, bench->quick ? QUICK_ROUNDS : ROUNDS };
    for (; pair.events <= bench->most_events && status >= 0; pair.events *= 10)
        status = step(&pair, &sides[ORIGINAL], error);
    for (size_t i = 0; i < SIDES; i++) place_remove(sides[i].path);
    free(sides);
    return status;
}

const struct report growth_report = { "growth", "cost against length, up to --most events", run_growth };
