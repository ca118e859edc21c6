/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a whole store: everything that our reads rely on. */
#include <inttypes.h>
#include <stdio.h>

#include "store/postgres/upkeep.h"

enum {
    PROBLEMS_TOLD = 100,
    FIRST_PAGE_EVENTS = 16, /* how large events are is not known yet */
    PAGE_GROWTH = 8,
    PAGE_EVENTS = 1000,
    PAGE_BYTES = 4 << 20, /* about, by the size of the events before */
};

struct check {
    struct store_log *log;
    const varve_verify_options *options;
    uint64_t problems;
};

static void found(struct check *check, const char *format, ...) VARVE_PRINTF(2, 3);

static void found(struct check *check, const char *format, ...)
{
    char problem[256];
    va_list args;
    if (check->problems++ >= PROBLEMS_TOLD || check->options->problem == NULL) return;
    va_start(args, format);
    vsnprintf(problem, sizeof problem, format, args);
    va_end(args);
    check->options->problem(check->options->ctx, problem);
}

/* One page, event by event, so that what is damaged is told and does not end the check. */
static varve_status check_rows(struct check *check, PGresult *rows, uint64_t *expected, varve_time *recorded_at,
                               size_t *bytes, varve_error *error)
{
    struct arena arena = { 0 };
    varve_status status = VARVE_OK;
    for (int i = 0; i < PQntuples(rows) && status >= 0; i++) {
        varve_event event;
        varve_error problem = { 0 };
        uint64_t position = (uint64_t)result_int(rows, i, 0);
        varve_status row = row_event(rows, i, &arena, &event, &problem);
        if (row == VARVE_CORRUPT)
            found(check, "%s", problem.message);
        else if (row < 0)
            status = varve_error_set(error, row, "%s", problem.message);
        if (position != *expected)
            found(check, "positions have a hole: %" PRIu64 " comes where %" PRIu64 " should", position, *expected);
        if (event.recorded_at < *recorded_at)
            found(check, "the event at position %" PRIu64 " was recorded before the one in front of it", position);
        *bytes += event.data.len + event.metadata.len;
        *recorded_at = event.recorded_at;
        *expected = position + 1;
        arena_reset(&arena);
    }
    arena_fini(&arena);
    return status;
}

static int next_page(int count, size_t bytes)
{
    size_t next = (size_t)count * PAGE_GROWTH, room = PAGE_BYTES / (bytes / (size_t)count + 1) + 1;
    if (next > PAGE_EVENTS) next = PAGE_EVENTS;
    return (int)(next < room ? next : room);
}

static varve_status check_events(struct check *check, uint64_t head, uint64_t *events, varve_error *error)
{
    uint64_t expected = 1;
    varve_time recorded_at = 0;
    for (int page = FIRST_PAGE_EVENTS;;) {
        PGresult *rows = NULL;
        size_t bytes = 0;
        struct values values = { 0 };
        values_int(&values, (int64_t)expected - 1);
        values_int(&values, (int64_t)head);
        values_int(&values, page);
        varve_status status = log_query_at(check->log, head, S_LOG, &values, "verifying the log", &rows, error);
        if (status >= 0) status = check_rows(check, rows, &expected, &recorded_at, &bytes, error);
        int count = PQntuples(rows);
        PQclear(rows);
        if (status < 0) return status;
        *events += (uint64_t)count;
        if (check->options->progress != NULL) check->options->progress(check->options->ctx, *events, head);
        if (count < page) return VARVE_OK;
        page = next_page(count, bytes);
    }
}

static const struct {
    const char *problem, *sql;
} relations[] = {
    { "versions of this stream are not 1, 2, 3 …",
      "SELECT stream FROM events GROUP BY stream HAVING count(*) <> max(version) OR min(version) <> 1 LIMIT 100" },
    { "a tag points to no event that has it",
      "SELECT t.tag || ' at position ' || t.position FROM event_tags t LEFT JOIN events e USING (position) "
      "WHERE e.position IS NULL OR NOT coalesce(e.tags, '{}') @> ARRAY[t.tag::text] LIMIT 100" },
    { "an event's tags are not in the index",
      "SELECT e.position FROM events e, unnest(e.tags) AS u (tag) WHERE NOT EXISTS "
      "(SELECT FROM event_tags t WHERE t.tag = u.tag AND t.position = e.position) LIMIT 100" },
    { "an event is not found by its correlation_id",
      "SELECT position FROM events WHERE correlation_id IS DISTINCT FROM nullif(CASE "
      "json_typeof(metadata -> 'correlation_id') WHEN 'string' THEN metadata ->> 'correlation_id' END, '') LIMIT 100" },
};

/* In a transaction in which the planner may do as it likes, for as long as it takes: our sessions are tuned for small
 * questions. */
static varve_status check_relations(struct check *check, struct connection *reader, varve_error *error)
{
    int limit_ms = reader->limit_ms;
    reader->limit_ms = NO_LIMIT;
    varve_status status = connection_exec(
        reader,
        "BEGIN; SET LOCAL statement_timeout TO 0; SET LOCAL enable_hashjoin TO on; SET LOCAL enable_sort TO on; "
        "SET LOCAL enable_mergejoin TO on; SET LOCAL enable_seqscan TO on",
        "verifying the store", NULL, error);
    for (size_t i = 0; i < sizeof relations / sizeof relations[0] && status >= 0; i++) {
        PGresult *rows = NULL;
        status = connection_exec(reader, relations[i].sql, relations[i].problem, &rows, error);
        for (int row = 0; status >= 0 && row < PQntuples(rows); row++)
            found(check, "%s: %s", relations[i].problem, PQgetvalue(rows, row, 0));
        PQclear(rows);
    }
    (void)connection_exec(reader, "ROLLBACK", "verifying the store", NULL, NULL);
    reader->limit_ms = limit_ms;
    return status;
}

varve_status postgres_verify(struct store_log *log, const varve_verify_options *options, uint64_t *events,
                             varve_error *error)
{
    static const varve_verify_options silent;
    struct store_head head = { 0 };
    struct connection *reader = NULL;
    struct check check = { .log = log, .options = options == NULL ? &silent : options };
    varve_status status = postgres_head(log, &head, error);
    if (status >= 0) status = check_events(&check, head.position, events, error);
    if (status >= 0) status = reader_take(log, &reader, error);
    if (status < 0) return status;
    status = check_relations(&check, reader, error);
    reader_give(log, reader);
    if (status < 0 || check.problems == 0) return status;
    return varve_error_set(error, VARVE_CORRUPT, "%" PRIu64 " problems were found in the store", check.problems);
}
