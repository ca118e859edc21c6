/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/statements.h"

#define ORDER_KEY        "hashtextextended('varve ' || current_schema(), 0)"
#define OF_TYPES(n)      "($" #n "::text[] IS NULL OR e.type = ANY ($" #n ")) "
#define OF_CATEGORIES(n) "($" #n "::text[] IS NULL OR split_part(e.stream, '-', 1) = ANY ($" #n ")) "
#define BY_TIME(n)       "($" #n "::timestamptz IS NULL OR e.recorded_at <= $" #n ") "
#define IN_LOG           "FROM events e WHERE e.position > $1::bigint AND e.position <= $2::bigint "
#define IN_ORDER         "ORDER BY e.position LIMIT $3::bigint"

#define HEAD "coalesce((SELECT position FROM events ORDER BY position DESC LIMIT 1), 0)"

/* A column whose values all are what they are by default is one NULL, which unnest fills up. */
#define NEW_UP_TO_TAGS "coalesce(e.schema_version, 1), e.correlation_id, e.tags::text[], "
#define NEW_CONTENT    "e.occurred_at, e.data, e.body, coalesce(e.metadata, '{}'), e.crc "

#define STREAM_ROWS                                                                                 \
    "SELECT " EVENT_COLUMNS " FROM events e WHERE e.stream = $1::text AND e.version >= $2::bigint " \
    "AND e.version <= $3::bigint AND " OF_TYPES(                                                    \
        5) "AND ($6::text IS NULL OR is_asked_for($6::jsonb, e.type, e.tags)) "                     \
           "AND ($7::timestamptz IS NULL OR coalesce(e.occurred_at, e.recorded_at) <= $7) ORDER BY e.version "

#define STREAM_WITH_VERSION                                                                                        \
    "SELECT e.stream, (SELECT v.version FROM events v WHERE v.stream = e.stream ORDER BY v.version DESC LIMIT 1) " \
    "FROM events e WHERE e.version = 1 AND "

const struct statement_text statements[S_COUNT] = {
    [S_BEGIN] = { "begin", "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE" },
    [S_BEGIN_LOOK] = { "begin_look", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" },
    [S_COMMIT] = { "commit", "COMMIT" },
    [S_ROLLBACK] = { "rollback", "ROLLBACK" },
    [S_LOCK] = { "lock", "SELECT pg_advisory_xact_lock(" ORDER_KEY ")" },
    [S_ASSERT_HEAD] = { "assert_head", "SELECT CASE WHEN $1::bigint = " HEAD " THEN true ELSE out_of_date() END" },
    /* Records are written without moving the head, so what was found to be free may be taken by now. */
    [S_ASSERT_UNUSED] = { "assert_unused",
                          "SELECT CASE WHEN ($1::bigint IS NULL OR $1 = " HEAD
                          ") AND NOT EXISTS (SELECT FROM unnest($2::text[], "
                          "$3::text[]) AS u (space, key) JOIN records r ON r.space = u.space AND r.key = u.key "
                          "WHERE r.expires_at IS NULL OR r.expires_at > clock_timestamp()) "
                          "THEN true ELSE out_of_date() END" },
    [S_NEWS] = { "news", "SELECT position, stream, version, recorded_at FROM events WHERE position > $1::bigint "
                         "ORDER BY position LIMIT $2::bigint" },
    [S_CLOCK] = { "clock", "SELECT clock_timestamp()" },
    [S_VERSIONS] = { "versions", "SELECT u.name, coalesce((SELECT e.version FROM events e WHERE e.stream = u.name "
                                 "ORDER BY e.version DESC LIMIT 1), 0) FROM unnest($1::text[]) AS u (name)" },
    [S_IDS] = { "ids", "SELECT u.n - 1, e.position, e.version, e.stream, e.recorded_at "
                       "FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, n) JOIN events e ON e.id = u.id" },
    [S_LIMIT_QUERY] = { "limit_query", "SELECT set_config('statement_timeout', '30s', true)" },
    [S_LIMIT_NONE] = { "limit_none", "SELECT set_config('statement_timeout', '0', true)" },
    [S_NEXT_MATCH] = { "next_match", "SELECT next_match($1::text::jsonb, $2::bigint, 9223372036854775807)" },
    [S_FIND_RECORDS] = { "find_records",
                         "SELECT u.n - 1, r.revision, r.expires_at, r.value FROM unnest($1::text[], $2::text[]) "
                         "WITH ORDINALITY AS u (space, key, n) "
                         "JOIN records r ON r.space = u.space AND r.key = u.key" },
    /* statement_timestamp() is the time at which this statement began, so under the lock, and the same for all. With no
     * position ($2) the head is found here. */
    [S_ADD_EVENTS] = { "add_events",
                       "INSERT INTO events (position, stream, version, id, type, content_type, schema_version, "
                       "correlation_id, tags, recorded_at, occurred_at, data, body, metadata, crc) "
                       "SELECT coalesce($2::bigint, " HEAD
                       ") + e.n, e.stream, e.version + CASE e.presumed WHEN -1 THEN "
                       "coalesce(b.version, 0) ELSE 0 END, e.id, e.type, e.content_type, " NEW_UP_TO_TAGS
                       "greatest(statement_timestamp(), $1::timestamptz, CASE WHEN $2 IS NULL THEN (SELECT recorded_at "
                       "FROM events ORDER BY position DESC LIMIT 1) END), " NEW_CONTENT
                       "FROM unnest($4::bigint[], $5::text[], $6::bigint[], $7::uuid[], $8::text[], $9::text[], "
                       "$10::bigint[], $11::text[], $12::text[], $13::timestamptz[], $14::json[], $15::bytea[], "
                       "$16::json[], $17::bigint[]) WITH ORDINALITY AS e (presumed, stream, version, id, type, "
                       "content_type, schema_version, correlation_id, tags, occurred_at, data, body, metadata, crc, "
                       "n) LEFT JOIN LATERAL (SELECT v.version FROM events v WHERE e.presumed IS NOT NULL "
                       "AND v.stream = e.stream ORDER BY v.version DESC LIMIT 1) AS b ON true "
                       "WHERE CASE WHEN ($3::bigint IS NULL OR $3 = " HEAD ") AND (e.presumed IS NULL OR "
                       "e.presumed IN (-1, coalesce(b.version, 0))) THEN true ELSE out_of_date() END "
                       "RETURNING position, version, recorded_at" },
    [S_LOAD_EVENTS] = { "load_events",
                        "INSERT INTO events (position, stream, version, id, type, content_type, schema_version, "
                        "correlation_id, tags, recorded_at, occurred_at, data, body, metadata, crc) "
                        "SELECT $1::bigint + e.n, e.stream, e.version, e.id, e.type, e.content_type, " NEW_UP_TO_TAGS
                        "e.recorded_at, " NEW_CONTENT
                        "FROM unnest($2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::bigint[], "
                        "$8::text[], $9::text[], $10::timestamptz[], $11::json[], $12::bytea[], $13::json[], "
                        "$14::bigint[], $15::timestamptz[]) WITH ORDINALITY AS e (stream, version, id, type, "
                        "content_type, schema_version, correlation_id, tags, occurred_at, data, body, metadata, crc, "
                        "recorded_at, n)" },
    [S_ADD_TAGS] = { "add_tags", "INSERT INTO event_tags (tag, position) SELECT u.tag, " HEAD " - $3::bigint + u.place "
                                 "FROM unnest($1::text[], $2::bigint[]) AS u (tag, place)" },
    [S_PUT_RECORD] = { "put_record", "SELECT put_record($1::text, $2::text, $3::text, $4::bigint, $5::timestamptz, "
                                     "$6::bigint, $7::bigint)" },
    [S_DROP_RECORD] = { "drop_record", "SELECT drop_record($1::text, $2::text, $3::bigint)" },
    /* The time is asked twice: of a record that is written anew while the statement waits for it, only the outer
     * condition is looked at again. */
    [S_DROP_EXPIRED] = { "drop_expired", "DELETE FROM records WHERE (space, key) IN (SELECT space, key FROM records "
                                         "WHERE expires_at <= clock_timestamp() LIMIT 100 FOR UPDATE SKIP LOCKED) "
                                         "AND expires_at <= clock_timestamp()" },
    [S_NO_WAIT] = { "no_wait", "SELECT set_config('synchronous_commit', 'off', true)" },
    [S_LIST_SNAPSHOTS] = { "list_snapshots", "SELECT version, state_version FROM snapshots WHERE stream = $1::text "
                                             "ORDER BY version DESC" },
    [S_ADD_SNAPSHOT] = { "add_snapshot",
                         "INSERT INTO snapshots (stream, version, state_version, state, crc) "
                         "SELECT $1::text, $2::bigint, $3::bigint, $4::text, $5::bigint "
                         "WHERE EXISTS (SELECT FROM events WHERE stream = $1 AND version = 1) "
                         "ON CONFLICT (stream, version) DO UPDATE SET state_version = excluded.state_version, "
                         "state = excluded.state, crc = excluded.crc" },
    [S_DROP_SNAPSHOTS] = { "drop_snapshots", "DELETE FROM snapshots WHERE stream = $1::text "
                                             "AND version = ANY ($2::bigint[])" },
    [S_WAIT_DURABLE] = { "wait_durable", "SELECT pg_logical_emit_message(true, 'varve', '')" },
    [S_LOCK_HOLDER] = { "lock_holder", "SELECT pid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted "
                                       "AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = " ORDER_KEY
                                       " AND database = (SELECT oid FROM pg_database "
                                       "WHERE datname = current_database())" },
    [S_INCARNATION] = { "incarnation", "SELECT value FROM meta WHERE key = 'incarnation'" },
    [S_HEAD] = { "head", "SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1" },
    [S_LOG] = { "log", "SELECT " EVENT_COLUMNS " " IN_LOG IN_ORDER },
    [S_LOG_FILTERED] = { "log_filtered", "SELECT " EVENT_COLUMNS " " IN_LOG
                                         "AND " OF_TYPES(4) "AND " OF_CATEGORIES(5) "AND " BY_TIME(6) IN_ORDER },
    [S_LOG_CORRELATION] = { "log_correlation",
                            "SELECT " EVENT_COLUMNS " " IN_LOG
                            "AND e.correlation_id = $7::text AND " OF_TYPES(4) "AND " OF_CATEGORIES(5) "AND " BY_TIME(
                                6) "AND ($8::text IS NULL OR is_asked_for($8::jsonb, e.type, e.tags)) " IN_ORDER },
    [S_LOG_TAG] = { "log_tag",
                    "SELECT " EVENT_COLUMNS " FROM event_tags t JOIN events e ON e.position = t.position "
                    "WHERE t.tag = $7::text AND t.position > $1::bigint AND t.position <= $2::bigint AND " OF_TYPES(
                        4) "AND " OF_CATEGORIES(5) "AND " BY_TIME(6) "ORDER BY t.position LIMIT $3::bigint" },
    /* A row for each match: matches() runs to its end whatever becomes of its rows. */
    [S_LOG_QUERY] = { "log_query", "SELECT m.position, " EVENT_CONTENT
                                   " FROM matches($7::text::jsonb, $1::bigint, $2::bigint, $3::bigint) AS m (position) "
                                   "LEFT JOIN events e ON e.position = m.position AND " OF_TYPES(
                                       4) "AND " OF_CATEGORIES(5) "AND " BY_TIME(6) "ORDER BY m.position" },
    [S_STREAM] = { "stream", STREAM_ROWS "LIMIT $4::bigint" },
    [S_STREAM_BACKWARD] = { "stream_backward", STREAM_ROWS "DESC LIMIT $4::bigint" },
    [S_EVENT] = { "event", "SELECT " EVENT_COLUMNS " FROM events e WHERE e.id = $1::uuid" },
    [S_TIME_AT] = { "time_at", "SELECT recorded_at FROM events WHERE position = $1::bigint" },
    [S_STREAM_VERSION] = { "stream_version", "SELECT version FROM events WHERE stream = $1::text "
                                             "ORDER BY version DESC LIMIT 1" },
    [S_STREAMS] = { "streams", STREAM_WITH_VERSION "e.stream > $1::text ORDER BY e.stream LIMIT $2::bigint" },
    /* A category's streams are its name alone and what lies between "name-" and "name." (the byte after '-'). */
    [S_CATEGORY] = { "category", STREAM_WITH_VERSION "e.stream > $1::text AND e.stream >= $3::text "
                                                     "AND e.stream < $3 || '.' AND split_part(e.stream, '-', 1) = $3 "
                                                     "ORDER BY e.stream LIMIT $2::bigint" },
    [S_VERSION_AT] = { "version_at", "SELECT version_at($1::text, $2::timestamptz)" },
    [S_SNAPSHOT] = { "snapshot", "SELECT version, state, crc FROM snapshots WHERE stream = $1::text "
                                 "AND state_version = $2::bigint AND version <= $3::bigint "
                                 "ORDER BY version DESC LIMIT 5" },
    [S_RECORDS] = { "records", "SELECT key, value, revision, expires_at, crc FROM records WHERE space = $1::text "
                               "AND key > $2::text AND key >= $3::text AND key < $3 || chr(1114111) "
                               "AND (expires_at IS NULL OR expires_at > clock_timestamp()) "
                               "ORDER BY key LIMIT $4::bigint" },
};
