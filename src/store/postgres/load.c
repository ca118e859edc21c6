/* SPDX-License-Identifier: Apache-2.0 */
/* Whole stores: one made out of an export, one told that it is another. */
#include <stdio.h>
#include <stdlib.h>

#include "store/postgres/rows.h"
#include "store/postgres/upkeep.h"

enum { LOAD_EVENTS = 500, LOAD_BYTES = 4 << 20 };

/* Events on their way in; their texts live until the lot is sent. */
struct lot {
    struct arena memory;
    varve_event events[LOAD_EVENTS];
    size_t count, bytes;
    struct rows rows;
    uint64_t last_position;
    varve_time last_recorded_at;
};

static bool own_event(struct arena *memory, varve_event *event)
{
    return arena_copy(memory, event->stream, &event->stream) && arena_copy(memory, event->type, &event->type) &&
           arena_copy(memory, event->data, &event->data) && arena_copy(memory, event->metadata, &event->metadata) &&
           arena_copy(memory, event->content_type, &event->content_type) &&
           arena_copy_all(memory, event->tags, event->tag_count, &event->tags);
}

/* What does not follow from the events before it is refused where it stands. A stream's version may be forgotten by
 * then: check_versions looks at all of them once more. */
static varve_status check_place(struct store_log *log, const struct lot *lot, const varve_event *event,
                                varve_error *error)
{
    uint64_t version = 0;
    if (event->position != lot->last_position + 1)
        return varve_error_set(error, VARVE_INVALID, "position %llu comes after position %llu",
                               (unsigned long long)event->position, (unsigned long long)lot->last_position);
    if (versions_get(&log->versions, event->stream, &version) && event->version != version + 1)
        return varve_error_set(error, VARVE_INVALID,
                               "position %llu has version %llu of a stream that is at version %llu",
                               (unsigned long long)event->position, (unsigned long long)event->version,
                               (unsigned long long)version);
    if (event->recorded_at < lot->last_recorded_at)
        return varve_error_set(error, VARVE_INVALID, "position %llu was recorded before the one in front of it",
                               (unsigned long long)event->position);
    return VARVE_OK;
}

static varve_status take_event(struct store_log *log, struct lot *lot, const varve_event *event, varve_error *error)
{
    varve_status status = check_place(log, lot, event, error);
    if (status < 0) return status;
    versions_put(&log->versions, event->stream, event->version);
    lot->last_position++;
    lot->last_recorded_at = event->recorded_at;
    lot->events[lot->count] = *event;
    if (!own_event(&lot->memory, &lot->events[lot->count]))
        return varve_error_set(error, VARVE_NOMEM, "no memory to import an event");
    lot->bytes += event->data.len + event->metadata.len;
    lot->count++;
    return VARVE_OK;
}

/* Positions and versions were checked, so it can only be an id that an index refuses: the server says which. */
static varve_status explain(const struct connection *connection, const struct lot *lot, varve_status status,
                            varve_error *error)
{
    const char *named = strstr(connection->detail, "(id)=(");
    if (strcmp(connection->state, "23505") != 0 || named == NULL) return status;
    for (size_t i = lot->count; i-- > 0;) { /* of two, the later one */
        char id[VARVE_UUID_TEXT_BYTES];
        varve_uuid_format(lot->events[i].id, id);
        if (strncmp(named + strlen("(id)=("), id, strlen(id)) == 0)
            return varve_error_set(error, VARVE_INVALID, "the id of the event at position %llu stands twice",
                                   (unsigned long long)lot->events[i].position);
    }
    return varve_error_set(error, VARVE_INVALID, "an event's id stands twice");
}

static varve_status send_lot(struct connection *connection, struct lot *lot, varve_error *error)
{
    struct values values = { 0 };
    if (lot->count == 0) return VARVE_OK;
    rows_begin(&lot->rows);
    for (size_t i = 0; i < lot->count; i++) rows_add(&lot->rows, &lot->events[i], PRESUMED_NOTHING);
    values_int(&values, (int64_t)lot->events[0].position - 1);
    bool sent = rows_send(&lot->rows, connection, S_LOAD_EVENTS, &values);
    varve_status status = connection_round(connection, NULL, 0, "importing events", error);
    if (status >= 0 && !sent) status = varve_error_set(error, VARVE_NOMEM, "no memory to import events");
    if (status < 0) return explain(connection, lot, status, error);
    lot->count = lot->bytes = 0;
    arena_reset(&lot->memory);
    return status;
}

static varve_status check_versions(struct connection *connection, varve_error *error)
{
    PGresult *rows = NULL;
    varve_status status = connection_exec(connection,
                                          "SET LOCAL enable_sort TO on; SELECT stream FROM events GROUP BY stream "
                                          "HAVING count(*) <> max(version) OR min(version) <> 1 LIMIT 1",
                                          "checking the import", &rows, error);
    if (status >= 0 && PQntuples(rows) > 0)
        status = varve_error_set(error, VARVE_INVALID, "versions of the stream %s are not 1, 2, 3 …",
                                 PQgetvalue(rows, 0, 0));
    PQclear(rows);
    return status;
}

static varve_status load_events(struct store_log *log, struct lot *lot, store_next_event next, void *ctx,
                                varve_error *error)
{
    varve_event event;
    varve_status status = VARVE_OK;
    while (status >= 0 && (status = next(ctx, &event, error)) == VARVE_OK) {
        status = take_event(log, lot, &event, error);
        if (status >= 0 && (lot->count == LOAD_EVENTS || lot->bytes >= LOAD_BYTES))
            status = send_lot(log->writer, lot, error);
    }
    return status < 0 ? status : send_lot(log->writer, lot, error);
}

static varve_status load(struct store_log *log, struct connection *connection, store_next_event next, void *ctx,
                         varve_error *error)
{
    struct lot *lot = calloc(1, sizeof *lot);
    if (lot == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory to import");
    (void)connection_send(connection, S_BEGIN, NULL);
    (void)connection_send(connection, S_LOCK, NULL);
    (void)connection_send(connection, S_HEAD, NULL);
    PGresult *results[3] = { 0 };
    varve_status status = connection_round(connection, results, 3, "beginning to import", error);
    if (status >= 0 && PQntuples(results[2]) > 0)
        status = varve_error_set(error, VARVE_INVALID, "the store in schema %s is not empty", log->schema);
    results_clear(results, 3);
    if (status >= 0) status = load_events(log, lot, next, ctx, error);
    if (status >= 0) status = check_versions(connection, error);
    if (status >= 0) status = schema_renew(connection, error);
    varve_status ended = connection_exec(connection, status < 0 ? "ROLLBACK" : "COMMIT", "committing the import", NULL,
                                         status < 0 ? NULL : error);
    rows_fini(&lot->rows);
    arena_fini(&lot->memory);
    free(lot);
    return status < 0 ? status : ended;
}

/* Takes away a schema that the import made, unless somebody else has written to it since. */
static void drop_schema(struct store_log *log, struct connection *connection)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "BEGIN; %s; DO $$ BEGIN IF NOT EXISTS (SELECT FROM events) AND NOT EXISTS (SELECT FROM records) THEN "
             "DROP SCHEMA \"%s\" CASCADE; END IF; END $$; COMMIT",
             statements[S_LOCK].sql, log->schema);
    (void)connection_exec(connection, sql, "taking the import away", NULL, NULL);
}

varve_status postgres_load(const struct store_location *location, store_next_event next, void *ctx, varve_error *error)
{
    struct store_log *log = NULL;
    varve_status status = postgres_open(&log, location, error);
    if (status < 0) return status;
    log->writer->limit_ms = NO_LIMIT; /* checking all versions takes its time */
    status = load(log, log->writer, next, ctx, error);
    if (status < 0 && log->created) drop_schema(log, log->writer);
    postgres_close(log);
    return status;
}

varve_status postgres_renew(const struct store_location *location, varve_error *error)
{
    struct store_log *log = NULL;
    varve_status status = postgres_open(&log, location, error);
    if (status >= 0) status = schema_renew(log->writer, error);
    postgres_close(log);
    return status;
}
