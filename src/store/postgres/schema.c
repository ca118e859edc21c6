/* SPDX-License-Identifier: Apache-2.0 */
/* The tables and functions of a store, how they come to be, and which history they hold. */
#include <stdio.h>
#include <stdlib.h>

#include "store/postgres/log.h"

const char *const schema_names[] = { "meta", "events", "event_tags", "records", "snapshots", "read_models", NULL };

/*
 * What brings a schema from version n to n + 1, in pieces, in one transaction; they are only ever added to. Names are
 * found through the search path, which is the schema alone.
 */
static const char *const to_version_1[] = {
    "CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);"
    "CREATE TABLE events ("
    " position bigint PRIMARY KEY,"
    " stream text COLLATE \"C\" NOT NULL,"
    " version bigint NOT NULL,"
    " id uuid NOT NULL,"
    " type text COLLATE \"C\" NOT NULL,"
    " content_type text," /* NULL: application/json */
    " schema_version bigint NOT NULL,"
    " correlation_id text COLLATE \"C\","
    " tags text[]," /* NULL: none */
    " recorded_at timestamptz NOT NULL,"
    " occurred_at timestamptz," /* NULL: recorded_at */
    " data json,"               /* exactly as it came … */
    " body bytea,"              /* … or, when it is no JSON, its bytes */
    " metadata json NOT NULL,"
    " crc bigint NOT NULL," /* over what the one who appended gave: position, version and recorded_at are 0 in it */
    " CHECK ((data IS NULL) <> (body IS NULL)));"
    "CREATE UNIQUE INDEX events_by_stream ON events (stream, version);"
    "CREATE UNIQUE INDEX events_by_id ON events (id);"
    "CREATE INDEX events_first ON events (stream) WHERE version = 1;"
    "CREATE INDEX events_by_correlation ON events (correlation_id, position) WHERE correlation_id IS NOT NULL;"
    "CREATE TABLE event_tags (tag text COLLATE \"C\" NOT NULL, position bigint NOT NULL, PRIMARY KEY (tag, position));"
    "CREATE TABLE records ("
    " space text COLLATE \"C\" NOT NULL,"
    " key text COLLATE \"C\" NOT NULL,"
    " value text NOT NULL,"
    " revision bigint NOT NULL,"
    " expires_at timestamptz,"
    " crc bigint NOT NULL,"
    " PRIMARY KEY (space, key));"
    "CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;"
    "CREATE TABLE snapshots ("
    " stream text COLLATE \"C\" NOT NULL,"
    " version bigint NOT NULL,"
    " state_version bigint NOT NULL,"
    " state text NOT NULL,"
    " crc bigint NOT NULL,"
    " PRIMARY KEY (stream, version));",

    /* Under the order lock: what was remembered or looked up before it still holds if nobody appended since; else this
     * is called. */
    "CREATE FUNCTION out_of_date() RETURNS boolean LANGUAGE plpgsql AS $$"
    "BEGIN"
    " RAISE 'it is not as it was decided on' USING ERRCODE = '" STATE_STALE "';"
    "END $$;"
    "CREATE FUNCTION put_record(record_space text, record_key text, record_value text, next_revision bigint,"
    " expiry timestamptz, checksum bigint, known bigint) RETURNS void LANGUAGE plpgsql AS $$"
    "BEGIN"
    " IF known IS NULL THEN"
    "  INSERT INTO records VALUES (record_space, record_key, record_value, next_revision, expiry, checksum)"
    "  ON CONFLICT DO NOTHING;"
    " ELSE"
    "  UPDATE records SET value = record_value, revision = next_revision, expires_at = expiry, crc = checksum"
    "  WHERE space = record_space AND key = record_key AND revision = known;"
    " END IF;"
    " IF NOT FOUND THEN RAISE 'another process wrote the record' USING ERRCODE = '" STATE_STALE "'; END IF;"
    "END $$;"
    "CREATE FUNCTION drop_record(record_space text, record_key text, known bigint) RETURNS void LANGUAGE plpgsql AS $$"
    "BEGIN"
    " DELETE FROM records WHERE space = record_space AND key = record_key AND revision = known;"
    " IF NOT FOUND THEN RAISE 'another process wrote the record' USING ERRCODE = '" STATE_STALE "'; END IF;"
    "END $$;",

    /* Moves `at` on to the first position from there on that an item of a query asks for, or to where there is none up
     * to `bound`; of its tags the rarest decides how much is looked at (a leapfrog join, as in the SQLite driver's
     * match.c). */
    "CREATE FUNCTION next_of_item(item jsonb, bound bigint, INOUT at bigint, OUT there boolean)"
    " LANGUAGE plpgsql STABLE AS $$"
    "DECLARE types text[]; tags text[]; here bigint; agreed int; i int;"
    "BEGIN"
    " types := ARRAY(SELECT jsonb_array_elements_text(item -> 'types'));"
    " tags := ARRAY(SELECT jsonb_array_elements_text(item -> 'tags'));"
    " IF cardinality(tags) = 0 THEN"
    "  SELECT e.position INTO here FROM events e WHERE e.position >= at AND e.position <= bound"
    "  AND (cardinality(types) = 0 OR e.type = ANY (types)) ORDER BY e.position LIMIT 1;"
    "  there := here IS NOT NULL;"
    "  at := coalesce(here, bound + 1);"
    "  RETURN;"
    " END IF;"
    " LOOP"
    "  agreed := 0; i := 1;"
    "  WHILE agreed < cardinality(tags) AND at <= bound LOOP"
    "   here := coalesce((SELECT t.position FROM event_tags t WHERE t.tag = tags[i] AND t.position >= at"
    "                     ORDER BY t.position LIMIT 1), 9223372036854775807);"
    "   agreed := CASE WHEN here = at THEN agreed + 1 ELSE 1 END;"
    "   at := here; i := i % cardinality(tags) + 1;"
    "  END LOOP;"
    "  there := agreed = cardinality(tags) AND (cardinality(types) = 0 OR (at <= bound"
    "   AND EXISTS (SELECT FROM events e WHERE e.position = at AND e.type = ANY (types))));"
    "  EXIT WHEN there OR at > bound;"
    "  at := at + 1;"
    " END LOOP;"
    "END $$;"
    /* The first `most` positions in (after, until] that any item asks for. Where each item stands is kept, so that a
     * match costs the item that it is one of, and no other. */
    "CREATE FUNCTION matches(query jsonb, after bigint, until bigint, most bigint) RETURNS SETOF bigint"
    " LANGUAGE plpgsql STABLE AS $$"
    "DECLARE count int := jsonb_array_length(query); best bigint; place bigint; found_there boolean;"
    " places bigint[] := array_fill(0::bigint, ARRAY[count]); there boolean[] := array_fill(false, ARRAY[count]);"
    "BEGIN"
    " until := least(until, 9223372036854775806);"
    " WHILE most > 0 AND after < until LOOP"
    "  best := 9223372036854775807;"
    "  FOR i IN 1 .. count LOOP"
    "   IF places[i] <= after THEN places[i] := after + 1; there[i] := false; END IF;"
    "   IF NOT there[i] AND places[i] <= least(best, until) THEN"
    "    SELECT n.at, n.there INTO place, found_there"
    "    FROM next_of_item(query -> (i - 1), least(best, until), places[i]) AS n;"
    "    places[i] := place; there[i] := found_there;"
    "   END IF;"
    "   IF there[i] AND places[i] < best THEN best := places[i]; END IF;"
    "  END LOOP;"
    "  EXIT WHEN best > until;"
    "  RETURN NEXT best;"
    "  after := best; most := most - 1;"
    " END LOOP;"
    "END $$;"
    "CREATE FUNCTION next_match(query jsonb, after bigint, until bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$"
    "BEGIN RETURN (SELECT m.at FROM matches(query, after, until, 1) AS m (at)); END $$;"
    "CREATE FUNCTION is_asked_for(query jsonb, type text, tags text[]) RETURNS boolean LANGUAGE sql STABLE AS $$"
    " SELECT EXISTS (SELECT FROM jsonb_array_elements(query) AS q (item)"
    "  WHERE (jsonb_array_length(item -> 'types') = 0 OR item -> 'types' ? type)"
    "  AND coalesce(tags, '{}') @> ARRAY(SELECT jsonb_array_elements_text(item -> 'tags'))) $$;"
    /* recorded_at never decreases within a stream: halve it until the newest event by then is found. */
    "CREATE FUNCTION version_at(name text, moment timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$"
    "DECLARE by_then bigint := 0; later bigint; middle bigint; recorded timestamptz;"
    "BEGIN"
    " SELECT version, recorded_at INTO later, recorded FROM events WHERE stream = name ORDER BY version DESC LIMIT 1;"
    " IF later IS NULL THEN RETURN 0; END IF;"
    " IF recorded <= moment THEN RETURN later; END IF;"
    " WHILE by_then + 1 < later LOOP"
    "  middle := by_then + (later - by_then) / 2;"
    "  SELECT recorded_at INTO STRICT recorded FROM events WHERE stream = name AND version = middle;"
    "  IF recorded <= moment THEN by_then := middle; ELSE later := middle; END IF;"
    " END LOOP;"
    " RETURN by_then;"
    "END $$;",
    NULL,
};

static const char *const *const migrations[SCHEMA_VERSION][2] = { { to_version_1, append_functions } };

/* ---- opening ---- */

/* One value as text; "" when the row or the value is not there. */
static varve_status ask(struct connection *connection, const char *sql, char *text, size_t size, varve_error *error)
{
    PGresult *result = NULL;
    varve_status status = connection_exec(connection, sql, "opening the store", &result, error);
    if (status < 0) return status;
    snprintf(text, size, "%s", PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return VARVE_OK;
}

/* What stands in the schema: -1 nothing, 0 no store, else the version of its tables. */
static varve_status find_version(struct store_log *log, struct connection *connection, int *version, varve_error *error)
{
    char sql[512], text[32];
    snprintf(sql, sizeof sql,
             "SELECT CASE WHEN to_regnamespace('%s') IS NULL THEN -1 "
             "WHEN to_regclass('%s.meta') IS NOT NULL THEN 1 "
             "WHEN EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('%s')) THEN 0 ELSE -1 END",
             log->schema, log->schema, log->schema);
    varve_status status = ask(connection, sql, text, sizeof text, error);
    if (status < 0) return status;
    *version = (int)strtol(text, NULL, 10);
    if (*version != 1) return VARVE_OK;
    status = ask(connection, "SELECT value FROM meta WHERE key = 'format'", text, sizeof text, error);
    *version = status < 0 ? 0 : (int)strtol(text, NULL, 10);
    return status == VARVE_INCOMPATIBLE ? VARVE_OK : status;
}

#define TIMELINE "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"

/* In the transaction that is open. */
static varve_status migrate(struct store_log *log, struct connection *connection, int from, varve_error *error)
{
    char id[VARVE_UUID_TEXT_BYTES], sql[512];
    varve_status status = VARVE_OK;
    snprintf(sql, sizeof sql, "CREATE SCHEMA IF NOT EXISTS \"%s\"", log->schema);
    if (from == 0) status = connection_exec(connection, sql, "creating the store's schema", NULL, error);
    for (int i = from; i < SCHEMA_VERSION; i++)
        for (int part = 0; part < 2; part++)
            for (const char *const *piece = migrations[i][part]; *piece != NULL && status >= 0; piece++)
                status = connection_exec(connection, *piece, "creating the store's tables", NULL, error);
    varve_uuid_format(varve_uuid_new(), id);
    snprintf(sql, sizeof sql,
             "INSERT INTO meta VALUES ('format', '%d'), ('incarnation', '%s'), ('created_at', "
             "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text), ('timeline', " TIMELINE ") "
             "ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.key = 'format'",
             SCHEMA_VERSION, id);
    if (status >= 0) status = connection_exec(connection, sql, "writing what the store is", NULL, error);
    return status;
}

static varve_status create_or_migrate(struct store_log *log, struct connection *connection, int version,
                                      varve_error *error)
{
    char lock[160];
    /* Two processes may be at it: the second finds it done. */
    snprintf(lock, sizeof lock, "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('varve schema %s', 0))",
             log->schema);
    varve_status status = connection_exec(connection, lock, "creating the store", NULL, error);
    if (status >= 0) status = find_version(log, connection, &version, error);
    if (status >= 0 && version == 0)
        status = varve_error_set(error, VARVE_INCOMPATIBLE, "the schema %s holds other things and is no varve store",
                                 log->schema);
    if (status >= 0 && version < SCHEMA_VERSION) status = migrate(log, connection, version < 0 ? 0 : version, error);
    log->created = status >= 0 && version < 0;
    varve_status ended = connection_exec(connection, status < 0 ? "ROLLBACK" : "COMMIT", "creating the store", NULL,
                                         status < 0 ? NULL : error);
    return status < 0 ? status : ended;
}

varve_status schema_open(struct store_log *log, struct connection *connection, bool may_change, varve_error *error)
{
    int version = 0;
    varve_status status = find_version(log, connection, &version, error);
    if (status < 0) return status;
    if (version > SCHEMA_VERSION)
        return varve_error_set(error, VARVE_INCOMPATIBLE,
                               "the store in schema %s has format %d and this varve knows format %d: use a varve that "
                               "fits",
                               log->schema, version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION) return VARVE_OK;
    if (version == 0)
        return varve_error_set(error, VARVE_INCOMPATIBLE, "the schema %s holds other things and is no varve store",
                               log->schema);
    if (!may_change)
        return version < 0 ? varve_error_set(error, VARVE_NOT_FOUND, "there is no store in the schema %s", log->schema)
                           : varve_error_set(error, VARVE_INCOMPATIBLE,
                                             "the store in schema %s has the older format %d: open it for writing once",
                                             log->schema, version);
    return create_or_migrate(log, connection, version, error);
}

/* ---- history ---- */

varve_status schema_renew(struct connection *connection, varve_error *error)
{
    char id[VARVE_UUID_TEXT_BYTES], sql[256];
    varve_uuid_format(varve_uuid_new(), id);
    snprintf(sql, sizeof sql,
             "UPDATE meta SET value = CASE key WHEN 'incarnation' THEN '%s' ELSE " TIMELINE " END "
             "WHERE key IN ('incarnation', 'timeline')",
             id);
    return connection_exec(connection, sql, "writing a new incarnation", NULL, error);
}

/* The server's timeline is not the one that the store was last written on: it was promoted in between. */
static varve_status renew_after_promotion(struct store_log *log, struct connection *connection, varve_error *error)
{
    char same[8];
    varve_status status = connection_exec(connection, "BEGIN; LOCK TABLE meta IN EXCLUSIVE MODE",
                                          "looking at the store's history", NULL, error);
    if (status >= 0)
        status =
            ask(connection, "SELECT value = " TIMELINE " FROM meta WHERE key = 'timeline'", same, sizeof same, error);
    if (status >= 0 && strcmp(same, "t") != 0) {
        log_line(&log->diagnostics, VARVE_LOG_WARNING,
                 "the server was promoted since this store was written last: it gets a new incarnation");
        status = schema_renew(connection, error);
    }
    varve_status ended = connection_exec(connection, status < 0 ? "ROLLBACK" : "COMMIT",
                                         "looking at the store's history", NULL, status < 0 ? NULL : error);
    return status < 0 ? status : ended;
}

varve_status schema_check_history(struct store_log *log, struct connection *connection, varve_error *error)
{
    char same[8] = "t";
    varve_status status = VARVE_OK;
    if (!log->read_only)
        status =
            ask(connection, "SELECT value = " TIMELINE " FROM meta WHERE key = 'timeline'", same, sizeof same, error);
    if (status >= 0 && strcmp(same, "t") != 0) status = renew_after_promotion(log, connection, error);
    return status < 0 ? status : log_look(log, connection, error);
}
