/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conditional append against length: "no event after P has this tag", in a log that grows tenfold from step to
 * step and, in turns with it, in one that stays small; on both stores.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/measure.h"
#include "bench/print.h"

enum {
    SMALL = 10000,
    EVENTS_A_TAG = 10, /* of the tags that many events share; one event in ten has the common tag, too */
    AT_ONCE = 1000,
    ROUNDS = 5,
    QUICK_ROUNDS = 2,
    CALLS = 200, /* a round */
    TAG_BYTES = 32,
};

#define COMMON    VARVE_STR("region:north")
#define COST_MOST 2.0

struct side {
    struct corpus corpus;
    const struct server *server; /* NULL: SQLite */
    const char *name;
    char uri[PLACE_BYTES + SERVER_URI_BYTES];
    uint64_t events; /* that it was grown to */
    uint64_t next;   /* number of the next */
    varve_store *store;
};

/* ---- growing ---- */

static varve_status write_events(struct side *side, uint64_t until, varve_error *error)
{
    varve_event events[AT_ONCE];
    char names[AT_ONCE][CORPUS_NAME_BYTES], texts[AT_ONCE][TAG_BYTES];
    varve_str tags[AT_ONCE][2];
    varve_status status = VARVE_OK;
    while (side->next < until && status >= 0) {
        varve_append_request request = { .events = events };
        for (; request.event_count < AT_ONCE && side->next < until; side->next++, request.event_count++) {
            size_t i = request.event_count;
            int len = snprintf(texts[i], TAG_BYTES, "customer:%llu", (unsigned long long)(side->next / EVENTS_A_TAG));
            events[i] = corpus_event(&side->corpus, side->next, names[i]);
            tags[i][0] = (varve_str){ texts[i], (size_t)len };
            tags[i][1] = COMMON;
            events[i].tags = tags[i];
            events[i].tag_count = side->next % 10 == 0 ? 2 : 1;
        }
        status = varve_append(side->store, &request, NULL, error);
        if (status >= 0) status = bench_go_on(error);
    }
    return status;
}

static varve_status open_side(struct side *side, varve_durability durability, varve_error *error)
{
    const varve_store_options options = { .uri = side->uri, .durability = durability };
    return varve_store_open(&side->store, &options, error);
}

static void close_side(struct side *side)
{
    varve_store_close(side->store);
    side->store = NULL;
}

static varve_status grow(struct side *side, uint64_t until, varve_error *error)
{
    if (side->events >= until) return VARVE_OK;
    fprintf(stderr, "varve-bench: condition, writing a log of %llu events to %s\n", (unsigned long long)until,
            side->server == NULL ? "SQLite" : "PostgreSQL");
    varve_status status =
        open_side(side, side->server == NULL ? VARVE_DURABILITY_RELAXED : VARVE_DURABILITY_FULL, error);
    if (status >= 0) status = write_events(side, until, error);
    close_side(side);
    if (status >= 0) side->events = until;
    if (status >= 0 && side->server != NULL)
        status = server_exec(side->server, side->name, "VACUUM (FREEZE, ANALYZE)", error);
    return status;
}

/* ---- what is measured ---- */

static varve_status append_if(struct side *side, varve_str searched, uint64_t after, varve_error *error)
{
    char name[CORPUS_NAME_BYTES];
    varve_event event = corpus_event(&side->corpus, side->next++, name);
    const varve_query_item item = { .tags = &searched, .tag_count = 1 };
    const varve_condition condition = { .kind = VARVE_FAIL_IF_MATCH, .items = &item, .item_count = 1, .after = after };
    const varve_append_request request = { .events = &event,
                                           .event_count = 1,
                                           .conditions = searched.len > 0 ? &condition : NULL,
                                           .condition_count = searched.len > 0 };
    return varve_append(side->store, &request, NULL, error);
}

static varve_status append_plain(struct side *side, uint64_t index, varve_error *error)
{
    (void)index;
    return append_if(side, (varve_str){ 0 }, 0, error);
}

/* Nothing in the whole log has the tag, as when a name has to be free. */
static varve_status append_new_tag(struct side *side, uint64_t index, varve_error *error)
{
    char tag[TAG_BYTES];
    uint64_t number = index + side->next;
    int len = snprintf(tag, sizeof tag, "customer:new-%llu", (unsigned long long)number);
    return append_if(side, (varve_str){ tag, (size_t)len }, 0, error);
}

/* The tag has ten events, all of them known to the caller. */
static varve_status append_rare_tag(struct side *side, uint64_t index, varve_error *error)
{
    char tag[TAG_BYTES];
    uint64_t customer = index * 2654435761u % (side->events / EVENTS_A_TAG);
    int len = snprintf(tag, sizeof tag, "customer:%llu", (unsigned long long)customer);
    return append_if(side, (varve_str){ tag, (size_t)len }, (customer + 1) * EVENTS_A_TAG, error);
}

/* A tenth of the log has the tag, all of it known to the caller. */
static varve_status append_common_tag(struct side *side, uint64_t index, varve_error *error)
{
    (void)index;
    return append_if(side, COMMON, side->events, error);
}

static const struct measured {
    const char *name;
    varve_status (*call)(struct side *side, uint64_t index, varve_error *error);
} rows[] = {
    { "append", append_plain },
    { "if_new_tag", append_new_tag },
    { "if_rare_tag", append_rare_tag },
    { "if_common_tag", append_common_tag },
};

/* ---- a step ---- */

struct taken {
    uint64_t large[ROUNDS * CALLS], small[ROUNDS * CALLS];
    double cost[ROUNDS];
    unsigned rounds;
};

static varve_status take(const struct measured *what, struct side *side, uint64_t *ns, varve_error *error)
{
    varve_status status = bench_go_on(error);
    for (uint64_t i = 0; i < CALLS && status >= 0; i++) {
        uint64_t start = clock_ns();
        status = what->call(side, i, error);
        ns[i] = clock_ns() - start;
    }
    return status;
}

static void print_taken(const struct measured *what, const struct side *large, struct taken *taken)
{
    size_t calls = (size_t)taken->rounds * CALLS;
    double cost = measure_median(taken->cost, taken->rounds);
    char name[32];
    snprintf(name, sizeof name, "%s%s", large->server == NULL ? "" : "pg_", what->name);
    printf("%-16s", name);
    print_number((double)large->events, "", 10);
    print_time((double)measure_percentile(taken->large, calls, 0.50));
    print_time((double)measure_percentile(taken->large, calls, 0.99));
    print_time((double)measure_percentile(taken->small, calls, 0.50));
    print_time((double)measure_percentile(taken->small, calls, 0.99));
    printf("  %5.2f  %4.2f-%-4.2f  %5.2f  %s\n", cost, taken->cost[0], taken->cost[taken->rounds - 1], COST_MOST,
           cost < COST_MOST + 0.005 ? "ok" : "above");
    fflush(stdout);
}

static varve_status measure(const struct measured *what, struct side *large, struct side *small, unsigned rounds,
                            varve_error *error)
{
    struct taken *taken = calloc(1, sizeof *taken);
    if (taken == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    varve_status status = VARVE_OK;
    while (taken->rounds < rounds && status >= 0) {
        uint64_t *large_ns = taken->large + (size_t)taken->rounds * CALLS;
        uint64_t *small_ns = taken->small + (size_t)taken->rounds * CALLS;
        status = take(what, large, large_ns, error);
        if (status >= 0) status = take(what, small, small_ns, error);
        if (status < 0) break;
        uint64_t p50 = measure_percentile(large_ns, CALLS, 0.50);
        uint64_t small_p50 = measure_percentile(small_ns, CALLS, 0.50);
        taken->cost[taken->rounds++] = small_p50 > 0 ? (double)p50 / (double)small_p50 : 0;
    }
    if (status >= 0) print_taken(what, large, taken);
    free(taken);
    return status;
}

static varve_status step(struct side *large, struct side *small, uint64_t events, unsigned rounds, varve_error *error)
{
    varve_status status = grow(large, events, error);
    if (status >= 0) status = open_side(large, VARVE_DURABILITY_FULL, error);
    if (status >= 0) status = open_side(small, VARVE_DURABILITY_FULL, error);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status >= 0; i++)
        status = measure(&rows[i], large, small, rounds, error);
    close_side(large);
    close_side(small);
    return status;
}

static varve_status name_side(struct bench *bench, struct side *side, const char *name, varve_error *error)
{
    char path[PLACE_BYTES];
    corpus_init(&side->corpus, SMALL / 10, SMALL);
    side->name = name;
    if (side->server == NULL) {
        varve_status status = place_path(path, bench->folder, name, error);
        snprintf(side->uri, sizeof side->uri, "sqlite:%s.db", path);
        return status;
    }
    server_uri(side->server, name, side->uri);
    return server_copy(side->server, NULL, name, error);
}

static varve_status run_store(struct bench *bench, const struct server *server, varve_error *error)
{
    struct side *sides = calloc(2, sizeof *sides);
    if (sides == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    struct side *large = &sides[0], *small = &sides[1];
    large->server = small->server = server;
    varve_status status = name_side(bench, large, "condition_large", error);
    if (status >= 0) status = name_side(bench, small, "condition_small", error);
    if (status >= 0) status = grow(small, SMALL, error);
    for (uint64_t events = SMALL; events <= bench->most_events && status >= 0; events *= 10)
        status = step(large, small, events, bench->quick ? QUICK_ROUNDS : ROUNDS, error);
    free(sides);
    return status;
}

static varve_status run_condition(struct bench *bench, varve_error *error)
{
    varve_status status = bench_server(bench, error);
    if (status < 0) return status;
    printf("\nconditional append against length, one caller: p50 and p99, and those in a log of 10,000\n\n");
    printf("%-16s %10s %8s %8s %8s %8s  %5s  %-9s  %5s  %s\n", "row", "events", "p50", "p99", "p50", "p99", "cost",
           "from-to", "most", "verdict");
    status = run_store(bench, NULL, error);
    return status >= 0 ? run_store(bench, bench->server, error) : status;
}

const struct report condition_report = { "condition", "conditional append against length, on both stores, up to --most",
                                         run_condition };
