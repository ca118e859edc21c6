/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The append as a SQL function (src/store/postgres/functions.c) owes what varve_append owes: it takes no request that
 * varve would not take, what it writes is read back the same, and the two share one order.
 */
#include "tests/conformance/store.h"

#include <libpq-fe.h>
#include <pthread.h>

#include "base/json.h"
#include "base/json_sample.h"

enum { SQL_APPENDERS = 8, ENGINE_APPENDERS = 2, APPENDS_EACH = 25, HOT_STREAMS = 3, SAMPLES = 4000 };

/* ---- callers ---- */

static PGconn *connect_caller(struct fixture *fixture)
{
    PGconn *caller = PQconnectdb(postgres_uri(&fixture->postgres, NULL));
    if (PQstatus(caller) != CONNECTION_OK) fail_msg("%s", PQerrorMessage(caller));
    PQsetNoticeProcessor(caller, NULL, NULL);
    return caller;
}

/* Runs what has to succeed. The first value, or "", until the next call. */
static const char *run(PGconn *caller, const char *sql)
{
    static char value[4000];
    PGresult *result = PQexec(caller, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    snprintf(value, sizeof value, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

static PGresult *call(PGconn *caller, const char *events, const char *conditions, const char *key)
{
    const char *const values[] = { events, conditions, key };
    return PQexecParams(caller, "SELECT log.append($1, $2, $3)", 3, NULL, values, NULL, NULL, 0);
}

static void assert_appended(PGconn *caller, const char *events, const char *conditions, const char *key,
                            const char *answer)
{
    PGresult *result = call(caller, events, conditions, key);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) fail_msg("%.200s: %s", events, PQresultErrorMessage(result));
    if (strstr(PQgetvalue(result, 0, 0), answer) == NULL) fail_msg("%s has no %s", PQgetvalue(result, 0, 0), answer);
    PQclear(result);
}

/* Refused with this SQLSTATE, and the message, the detail or the hint has this in it. */
static void assert_refused(PGconn *caller, const char *events, const char *conditions, const char *key,
                           const char *state, const char *says)
{
    PGresult *result = call(caller, events, conditions, key);
    const char *actual = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (actual == NULL || strcmp(actual, state) != 0)
        fail_msg("%.200s: %s is not %s: %s", events, actual == NULL ? "accepted" : actual, state,
                 PQresultErrorMessage(result));
    if (strstr(PQresultErrorMessage(result), says) == NULL)
        fail_msg("%.200s: no \"%s\" in %s", events, says, PQresultErrorMessage(result));
    PQclear(result);
}

static void assert_clean(varve_store *store, uint64_t expected)
{
    uint64_t events = 0;
    varve_error error = { 0 };
    if (varve_store_verify(store, NULL, &events, &error) != VARVE_OK) fail_msg("%s", error.message);
    assert_int_equal(events, expected);
}

/* varve's own opinion of the same events. */
static varve_status append_in_c(varve_store *store, const char *events, varve_error *error)
{
    varve_append_json *parsed = NULL;
    varve_buf body = { 0 };
    varve_buf_printf(&body, "{\"events\":%s}", events);
    varve_status status = varve_append_json_parse(&parsed, varve_buf_view(&body), (varve_str){ 0 }, error);
    if (status >= 0) status = varve_append(store, varve_append_json_request(parsed), NULL, error);
    varve_append_json_free(parsed);
    varve_buf_fini(&body);
    return status;
}

/* ---- one event and its twin ---- */

/* No ids: each is appended once by C and once by SQL. */
static const char *const accepted[] = {
    "[{\"stream\":\"s-1\",\"type\":\"T\"}]",
    " [ { \"type\" : \"T\" , \"data\" :  { \"n\" : 1.50 , \"e\":[ ] }  , \"stream\" : \"s-1\" } ] ",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"data\":null,\"metadata\":{\"correlation_id\":\"c-1\",\"actor\":\"ann\"}}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"metadata\":{ \"correlation_id\":\"gr\\u00f6\\u00dfe\" }}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"metadata\":{\"correlation_id\":\"a\",\"correlation_id\":\"b\"}}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"metadata\":{\"correlation_id\":7}}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"metadata\":{\"correlation_id\":\"\"}}]",
    "[{\"stream\":\"gr\\u00f6\xc3\x9f\xe2\x82\xac-\\ud83d\\ude00\",\"type\":\"\\\"T\\\\\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"tags\":[\"a\\\"b\",\"c\\\\d\",\"{,}\",\"NULL\",\"\\u00e9\",\" \"]}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"content_type\":\"text/plain\",\"data_base64\":\"AP8H\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"content_type\":\"text/plain\",\"data\": \"as it came\" }]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"content_type\":\"text/plain\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"content_type\":\"image/png\",\"data_base64\":\"\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"content_type\":\"\",\"data\":[1]}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"data_base64\":\"IHsiYSI6MX0K\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"data_base64\":\"\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"content_type\":\"Application/JSON ; charset=utf-8\",\"data\":{\"a\":1}}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"content_type\":\"application/vnd.x+JSON\",\"data\":{\"a\":1}}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"content_type\":\"a/b/c\",\"data\":{\"a\":1}}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"schema_version\":4294967295,\"occurred_at\":\"2026-01-02T03:04:05Z\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"occurred_at\":\"1970-01-01t00:00:00.000001z\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"occurred_at\":\"9999-12-31T23:59:59.9999999+00:00\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"occurred_at\":\"2024-02-29T23:59:59.123456789-11:30\"}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"data\":[9223372036854775807,-9223372036854775808,1e-500,0e400]}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"data\":[1.7976931348623157e308,123456789012345678901234567890.5]}]",
    "[{\"stream\":\"s-1\",\"type\":\"T\",\"data\":[\"\\ud83d\\ude00\",\"9999999999999999999\",\"1e99\",\"[[\"]}]",
};

static void read_event(varve_store *store, uint64_t position, varve_event *event, varve_buf *memory)
{
    varve_cursor *cursor = NULL;
    const varve_event *read = NULL;
    varve_error error = { 0 };
    const varve_read_options options = { .after_position = position - 1 };
    assert_int_equal(varve_cursor_open(&cursor, store, &options, NULL), VARVE_OK);
    if (varve_cursor_next(cursor, &read, &error) != VARVE_OK) fail_msg("%s", error.message);
    assert_int_equal(varve_event_find(store, read->id, event, memory, &error), VARVE_OK);
    varve_cursor_close(cursor);
}

static void assert_same(varve_str a, varve_str b)
{
    if (!varve_str_eq(a, b)) fail_msg("\"%.*s\" is not \"%.*s\"", (int)a.len, a.ptr, (int)b.len, b.ptr);
}

static void assert_twins(const varve_event *a, const varve_event *b)
{
    assert_same(a->stream, b->stream);
    assert_same(a->type, b->type);
    assert_same(a->data, b->data);
    assert_same(a->metadata, b->metadata);
    assert_same(a->content_type, b->content_type);
    assert_int_equal(a->schema_version, b->schema_version);
    assert_int_equal(a->tag_count, b->tag_count);
    for (size_t i = 0; i < a->tag_count; i++) assert_same(a->tags[i], b->tags[i]);
    /* What was not given is the time of recording. */
    if (a->occurred_at != a->recorded_at) assert_int_equal(a->occurred_at, b->occurred_at);
    assert_int_equal(b->occurred_at == b->recorded_at, a->occurred_at == a->recorded_at);
    assert_int_equal(a->version + 1, b->version);
}

static void what_sql_appends_is_read_as_if_c_had(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    enum { COUNT = sizeof accepted / sizeof accepted[0] };
    for (size_t i = 0; i < COUNT; i++) {
        varve_error error = { 0 };
        varve_event by_c, by_sql;
        varve_buf memory_c = { 0 }, memory_sql = { 0 };
        if (append_in_c(fixture->store, accepted[i], &error) != VARVE_OK)
            fail_msg("%s: %s", accepted[i], error.message);
        assert_appended(caller, accepted[i], NULL, NULL, "\"first_position\"");
        read_event(fixture->store, 2 * i + 1, &by_c, &memory_c);
        read_event(fixture->store, 2 * i + 2, &by_sql, &memory_sql);
        assert_twins(&by_c, &by_sql);
        varve_buf_fini(&memory_c);
        varve_buf_fini(&memory_sql);
    }
    /* What is beside the event is the same too: correlation, and the checksum when nothing in it differs. */
    assert_string_equal(run(caller,
                            "SELECT count(*) FROM log.events a JOIN log.events b ON b.position = a.position + 1 "
                            "WHERE a.position % 2 = 1 AND (a.correlation_id, a.content_type, a.data::text, a.body) "
                            "IS DISTINCT FROM (b.correlation_id, b.content_type, b.data::text, b.body)"),
                        "0");
    assert_clean(fixture->store, 2 * (uint64_t)COUNT);
    PQfinish(caller);
}

/* ---- refusals ---- */

#define EVENT(rest) "[{\"stream\":\"s-1\",\"type\":\"T\"," rest "}]"

static const struct {
    const char *events, *state, *says;
} refused[] = {
    { "[]", "VR400", "at least one event" },
    { "{}", "VR400", "must be an array" },
    { "[7]", "VR400", "events[0] must be an object" },
    { "[{\"type\":\"T\"}]", "VR400", "events[0].stream must not be empty" },
    { "[{\"stream\":\"s-1\"}]", "VR400", "events[0].type must not be empty" },
    { "[{\"stream\":\"s-1\",\"type\":null}]", "VR400", "events[0].type must be a string" },
    { "[{\"stream\":\"a\\u0007b\",\"type\":\"T\"}]", "VR400", "printable" },
    { "[{\"stream\":\"a\\u007fb\",\"type\":\"T\"}]", "VR400", "printable" },
    { "[{\"stream\":\"a\\u0085b\",\"type\":\"T\"}]", "VR400", "printable" },
    { "[{\"stream\":\"a\\u0000b\",\"type\":\"T\"}]", "VR400", "events[0]: " },
    { "[{\"stream\":\"a\\ud800\",\"type\":\"T\"}]", "VR400", "events[0]: " },
    { EVENT("\"dat\":1"), "VR400", "unknown field events[0].dat" },
    { EVENT("\"position\":1"), "VR400", "unknown field events[0].position" },
    { EVENT("\"data\":1,\"data\":2"), "VR400", "events[0].data must be given once" },
    { EVENT("\"data\":1,\"data_base64\":\"\""), "VR400", "given once" },
    { EVENT("\"data\":1,\"d\\u0061ta\":1"), "VR400", "given once" },
    { EVENT("\"data\":\"\\u0000\""), "VR400", "events[0]: " },
    { EVENT("\"data\":\"\\udc00\\ud800\""), "VR400", "events[0]: " },
    { EVENT("\"data\":\"\\ud800\""), "VR400", "events[0]: " },
    { EVENT("\"data\":{\"\\u0000\":1}"), "VR400", "events[0]: " },
    { EVENT("\"data\":9223372036854775808"), "VR400", "beyond 64 bits" },
    { EVENT("\"data\":[-9223372036854775809]"), "VR400", "beyond 64 bits" },
    { EVENT("\"data\":1e309"), "VR400", "range of a double" },
    { EVENT("\"data\":-1.7976931348623159e308"), "VR400", "range of a double" },
    { EVENT("\"data\":1e+0000999999999999"), "VR400", "" },
    { EVENT("\"metadata\":[]"), "VR400", "metadata must be an object" },
    { EVENT("\"metadata\":null"), "VR400", "metadata must be an object" },
    { EVENT("\"metadata\":{\"n\":1e400}"), "VR400", "metadata has a number" },
    { EVENT("\"content_type\":\"json\""), "VR400", "media type" },
    { EVENT("\"content_type\":\"/json\""), "VR400", "media type" },
    { EVENT("\"content_type\":\"application/\""), "VR400", "media type" },
    { EVENT("\"content_type\":\"text/plain\\n\""), "VR400", "printable" },
    { EVENT("\"data_base64\":\"AAE\""), "VR400", "must be base64" },
    { EVENT("\"data_base64\":\"AAF=\""), "VR400", "must be base64" },
    { EVENT("\"data_base64\":\"AA E=\""), "VR400", "must be base64" },
    { EVENT("\"data_base64\":\"/w==\""), "VR400", "events[0]: " },
    { EVENT("\"data_base64\":\"e30s\""), "VR400", "events[0]: " },
    { EVENT("\"data_base64\":\"AA==\""), "VR400", "events[0]: " },
    { EVENT("\"tags\":\"a\""), "VR400", "events[0].tags must be an array" },
    { EVENT("\"tags\":[1]"), "VR400", "array of strings" },
    { EVENT("\"tags\":[null]"), "VR400", "array of strings" },
    { EVENT("\"tags\":[\"\"]"), "VR400", "1 to 255 bytes" },
    { EVENT("\"tags\":[\"a\\nb\"]"), "VR400", "printable" },
    { EVENT("\"tags\":[\"a\",\"b\",\"\\u0061\"]"), "VR400", "stands twice" },
    { EVENT("\"id\":\"x\""), "VR400", "must be a UUID" },
    { EVENT("\"id\":\"{01900000-0000-7000-8000-000000000001}\""), "VR400", "must be a UUID" },
    { EVENT("\"id\":\"00000000-0000-0000-0000-000000000000\""), "VR400", "must be a UUID" },
    { EVENT("\"schema_version\":0"), "VR400", "schema_version must be" },
    { EVENT("\"schema_version\":4294967296"), "VR400", "schema_version must be" },
    { EVENT("\"schema_version\":1.0"), "VR400", "schema_version must be" },
    { EVENT("\"schema_version\":\"1\""), "VR400", "schema_version must be" },
    { EVENT("\"occurred_at\":\"1970-01-01T00:00:00Z\""), "VR400", "1970 to 9999" },
    { EVENT("\"occurred_at\":\"9999-12-31T23:59:59-00:01\""), "VR400", "1970 to 9999" },
    { EVENT("\"occurred_at\":\"2026-02-30T00:00:00Z\""), "VR400", "events[0]: " },
    { EVENT("\"occurred_at\":\"2026-01-02 03:04:05Z\""), "VR400", "must be a time" },
    { EVENT("\"occurred_at\":\"2026-01-02T24:00:00Z\""), "VR400", "must be a time" },
    { EVENT("\"occurred_at\":\"tomorrow\""), "VR400", "must be a time" },
    { EVENT("\"occurred_at\":1"), "VR400", "must be a string" },
    { "[{\"stream\":\"s-1\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000001\"},"
      "{\"stream\":\"s-1\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000001\"}]",
      "VR400", "two events of one append" },
};

static void assert_refused_by_both(struct fixture *fixture, PGconn *caller, const char *events, const char *state,
                                   const char *says)
{
    assert_refused(caller, events, NULL, NULL, state, says);
    if (append_in_c(fixture->store, events, NULL) >= 0) fail_msg("varve itself accepts %.200s", events);
}

/* An event whose `before` and `after` stand around `count` times `each`. */
static void refuse_large(struct fixture *fixture, PGconn *caller, const char *before, const char *each, size_t count,
                         const char *after, const char *state)
{
    varve_buf events = { 0 };
    varve_buf_printf(&events, "[%s", before);
    for (size_t i = 0; i < count; i++) varve_buf_str(&events, varve_str_of(each));
    varve_buf_printf(&events, "%s]", after);
    varve_buf_add(&events, "", 1);
    assert_refused_by_both(fixture, caller, events.ptr, state, "");
    varve_buf_fini(&events);
}

static void a_request_that_varve_would_not_take_is_refused(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_refused_by_both(fixture, caller, refused[i].events, refused[i].state, refused[i].says);
    assert_refused(caller, NULL, NULL, NULL, "VR400", "must be an array");
    assert_refused(caller, "nonsense", NULL, NULL, "22P02", "json");

    static const char *const event = "{\"stream\":\"s-1\",\"type\":\"T\"";
    char text[200];
    refuse_large(fixture, caller, "{\"type\":\"T\",\"stream\":\"", "\xc3\xa9", 128, "\"}", "VR400");
    refuse_large(fixture, caller, "{\"stream\":\"s-1\",\"type\":\"", "x", 256, "\"}", "VR400");
    snprintf(text, sizeof text, "%s,\"data\":\"", event);
    refuse_large(fixture, caller, text, "x", (1 << 20) - 1, "\"}", "VR413");
    snprintf(text, sizeof text, "%s,\"metadata\":{\"a\":\"", event);
    refuse_large(fixture, caller, text, "x", 1 << 20, "\"}}", "VR413");
    snprintf(text, sizeof text, "%s,\"metadata\":{\"correlation_id\":\"", event);
    refuse_large(fixture, caller, text, "x", 256, "\"}}", "VR400");
    snprintf(text, sizeof text, "%s,\"data\":", event);
    refuse_large(fixture, caller, text, "[", 513, "", "22P02"); /* which is no JSON at all */
    snprintf(text, sizeof text, "%s}", event);
    refuse_large(fixture, caller, text, ",{\"stream\":\"s-1\",\"type\":\"T\"}", 1000, "", "VR413");
    varve_buf large = { 0 };
    varve_buf_str(&large, VARVE_STR(",{\"stream\":\"s-1\",\"type\":\"T\",\"data\":\""));
    for (int i = 0; i < (1 << 20) - 2; i++) varve_buf_add(&large, "x", 1);
    varve_buf_add(&large, "\"}", 3);
    refuse_large(fixture, caller, large.ptr + 1, large.ptr, 7, "", "VR413"); /* 8 MiB and the names */
    varve_buf_fini(&large);
    assert_int_equal(head_of(fixture->store), 0);
    PQfinish(caller);
}

static void append_nested(struct fixture *fixture, PGconn *caller, size_t depth, bool as_object, const char *state)
{
    varve_buf events = { 0 };
    varve_buf_str(&events, VARVE_STR("[{\"stream\":\"s-1\",\"type\":\"T\",\"data\":"));
    for (size_t i = 0; i < depth; i++)
        varve_buf_str(&events, as_object ? VARVE_STR("{\"]}\\\"\":") : VARVE_STR("[[],"));
    varve_buf_str(&events, VARVE_STR("\"{\""));
    for (size_t i = 0; i < depth; i++) varve_buf_str(&events, as_object ? VARVE_STR("}") : VARVE_STR("]"));
    varve_buf_str(&events, VARVE_STR("}]"));
    varve_buf_add(&events, "", 1);
    if (state == NULL) {
        assert_appended(caller, events.ptr, NULL, NULL, "position");
        assert_int_equal(append_in_c(fixture->store, events.ptr, NULL), VARVE_OK);
    } else {
        assert_refused_by_both(fixture, caller, events.ptr, state, "512 at most");
    }
    varve_buf_fini(&events);
}

static void the_largest_of_everything_is_taken(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    varve_buf events = { 0 };
    append_nested(fixture, caller, 511, false, NULL); /* and one more, the empty array in each */
    append_nested(fixture, caller, 512, true, NULL);
    append_nested(fixture, caller, 512, false, "VR400");
    append_nested(fixture, caller, 513, true, "VR400");
    varve_buf_str(&events, VARVE_STR("["));
    for (int i = 0; i < 1000; i++)
        varve_buf_printf(&events, "%s{\"stream\":\"s-%d\",\"type\":\"T\",\"tags\":[\"t%d\"]}", i == 0 ? "" : ",", i % 7,
                         i % 3);
    varve_buf_add(&events, "]", 2);
    assert_appended(caller, events.ptr, NULL, NULL, "\"last_position\": 1004");
    varve_buf_reset(&events);
    varve_buf_str(&events, VARVE_STR("[{\"stream\":\"big\",\"type\":\"T\",\"data\":\""));
    for (int i = 0; i < (1 << 20) - 2; i++) varve_buf_add(&events, "x", 1);
    varve_buf_add(&events, "\"}]", 4);
    assert_appended(caller, events.ptr, NULL, NULL, "\"last_position\": 1005");
    varve_buf_fini(&events);
    assert_clean(fixture->store, 1005);
    PQfinish(caller);
}

/* Generated texts: what the function accepts as data, varve's scanner accepts. */
static void no_json_is_taken_that_varve_cannot_read(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    uint64_t seed = 0x2545f4914f6cdd1du;
    size_t both = 0, by_varve_alone = 0;
    varve_buf text = { 0 };
    run(caller, "SET search_path = log");
    for (size_t i = 0; i < SAMPLES; i++) {
        varve_buf_reset(&text);
        json_sample(&seed, &text);
        varve_buf_add(&text, "", 1);
        const char *const values[] = { text.ptr };
        const varve_str sample = varve_str_of(text.ptr);
        PGresult *result =
            PQexecParams(caller, "SELECT log.check_json($1::json::text, 'data')", 1, NULL, values, NULL, NULL, 0);
        bool by_sql = PQresultStatus(result) == PGRES_TUPLES_OK, by_varve = json_check(sample, "data", NULL) >= 0;
        if (by_sql && !by_varve) fail_msg("only SQL accepts %s", text.ptr);
        if (by_varve && !by_sql && by_varve_alone++ == 0)
            print_message("only varve accepts %s: %s", text.ptr, PQresultErrorMessage(result));
        both += by_sql && by_varve;
        PQclear(result);
    }
    varve_buf_fini(&text);
    print_message("of %d texts %zu are accepted by both, %zu by varve alone\n", SAMPLES, both, by_varve_alone);
    assert_in_range(both, SAMPLES / 5, SAMPLES - SAMPLES / 5);
    assert_in_range(by_varve_alone, 0, SAMPLES / 100);
    PQfinish(caller);
}

/* ---- conditions, repeats, keys ---- */

static const char one_event[] = "[{\"stream\":\"s-1\",\"type\":\"T\",\"tags\":[\"a\"]}]";

static void conditions_are_checked(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    static const char *const wrong[] = {
        "{}",
        "[1]",
        "[{}]",
        "[{\"stream\":\"s-1\"}]",
        "[{\"stream\":\"s-1\",\"expected_version\":-1}]",
        "[{\"stream\":\"s-1\",\"expected_version\":1.5}]",
        "[{\"stream\":\"s-1\",\"expected_version\":9223372036854775808}]",
        "[{\"stream\":\"s-1\",\"expected_version\":\"1\"}]",
        "[{\"stream\":\"s-1\",\"expected_version\":null}]",
        "[{\"stream\":\"\",\"expected_version\":1}]",
        "[{\"stream\":\"s-1\",\"expected_version\":1,\"after\":1}]",
        "[{\"fail_if_match\":[],\"after\":0}]",
        "[{\"fail_if_match\":[{\"types\":[\"T\"]}]}]",
        "[{\"fail_if_match\":[{\"type\":[\"T\"]}],\"after\":0}]",
        "[{\"fail_if_match\":[{\"tags\":[1]}],\"after\":0}]",
        "[{\"fail_if_match\":[{\"tags\":[\"a\"]}],\"after\":-1}]",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_refused(caller, one_event, wrong[i], NULL, "VR400", "condition");
    assert_appended(caller, one_event,
                    "[{\"stream\":\"s-1\",\"expected_version\":\"none\"},"
                    "{\"stream\":\"s-2\",\"expected_version\":\"any\"},"
                    "{\"fail_if_match\":[{\"tags\":[\"a\"]}],\"after\":0}]",
                    NULL, "\"streams\": {\"s-1\": 1}");
    assert_refused(caller, one_event, "[{\"stream\":\"s-1\",\"expected_version\":\"none\"}]", NULL, "VR412",
                   "[{\"stream\": \"s-1\", \"current_version\": 1, \"expected_version\": \"none\"}]");
    assert_refused(caller, one_event, "[{\"stream\":\"s-1\",\"expected_version\":4}]", NULL, "VR412",
                   "stream s-1 is at version 1");
    assert_refused(caller, one_event, "[{\"stream\":\"s-2\",\"expected_version\":\"exists\"}]", NULL, "VR412",
                   "stream s-2 is at version 0");
    assert_refused(caller, one_event, "[{\"fail_if_match\":[{\"types\":[\"U\"]},{\"tags\":[\"a\"]}],\"after\":0}]",
                   NULL, "VR412",
                   "[{\"position\": 1, \"fail_if_match\": [{\"tags\": [], \"types\": [\"U\"]}, "
                   "{\"tags\": [\"a\"], \"types\": []}]}]");
    assert_appended(caller, one_event,
                    "[{\"stream\":\"s-1\",\"expected_version\":1},"
                    "{\"fail_if_match\":[{\"types\":[\"T\"],\"tags\":[\"a\"]}],\"after\":1}]",
                    NULL, "\"last_position\": 2");
    assert_clean(fixture->store, 2);
    PQfinish(caller);
}

static void an_append_can_be_repeated(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    static const char none[] = "[{\"stream\":\"s-1\",\"expected_version\":\"none\"}]";
    static const char by_id[] = "[{\"stream\":\"s-1\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000001\"},"
                                "{\"stream\":\"s-2\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000002\"}]";
    assert_appended(caller, by_id, none, NULL,
                    "{\"ids\": [\"01900000-0000-7000-8000-000000000001\", \"01900000-0000-7000-8000-000000000002\"], "
                    "\"streams\": {\"s-1\": 1, \"s-2\": 1}, \"last_position\": 2, \"first_position\": 1}");
    assert_appended(caller, by_id, none, NULL, "\"repeated\": true, \"last_position\": 2, \"first_position\": 1}");
    /* By varve too, and what varve appended by SQL. */
    assert_int_equal(append_in_c(fixture->store, by_id, NULL), VARVE_REPEATED);
    static const char other[] = "[{\"stream\":\"s-9\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000009\"}]";
    assert_int_equal(append_in_c(fixture->store, other, NULL), VARVE_OK);
    assert_appended(caller, other, NULL, NULL, "\"repeated\": true");
    assert_refused(caller,
                   "[{\"stream\":\"s-1\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000001\"},"
                   "{\"stream\":\"s-2\",\"type\":\"T\"}]",
                   NULL, NULL, "VR409", "used before");
    assert_refused(caller, "[{\"stream\":\"s-3\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000001\"}]",
                   NULL, NULL, "VR409", "another stream");
    assert_refused(caller,
                   "[{\"stream\":\"s-1\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000001\"},"
                   "{\"stream\":\"s-9\",\"type\":\"T\",\"id\":\"01900000-0000-7000-8000-000000000009\"}]",
                   NULL, NULL, "VR409", "used before");

    assert_appended(caller, one_event, NULL, "key", "\"first_position\": 4}");
    assert_appended(caller, one_event, NULL, "key", "\"repeated\": true, \"last_position\": 4, \"first_position\": 4}");
    assert_appended(caller, " [{\"type\":\"T\",\"stream\":\"s-1\",\"tags\":[\"a\"]}] ", "[]", "key",
                    "\"repeated\": true");
    assert_refused(caller, one_event, none, "key", "VR422", "\"key\" was used for another request");
    assert_refused(caller, EVENT("\"data\":1"), NULL, "key", "VR422", "another request");
    assert_refused(caller, one_event, NULL, "", "VR400", "the idempotency key must not be empty");
    run(caller, "UPDATE log.records SET expires_at = now() - interval '1 s' WHERE key = 'key'");
    assert_appended(caller, one_event, NULL, "key", "\"first_position\": 5}");
    assert_appended(caller, one_event, NULL, "key", "\"first_position\": 5}");
    assert_clean(fixture->store, 5);
    PQfinish(caller);
}

static varve_status note_record(void *ctx, const struct store_record *record)
{
    assert_str(record->key, "k\xc3\xa9y");
    ++*(size_t *)ctx;
    return VARVE_OK;
}

/* A key is a record like the engine's own, checksum and all. */
static void a_key_is_a_whole_record(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    assert_appended(caller, one_event, NULL, "k\xc3\xa9y", "\"first_position\": 1}");
    struct store_location location = { .path = place_of(fixture, "log"), .must_exist = true };
    struct store_log *log = NULL;
    varve_time now = 0;
    size_t found = 0;
    const struct store_record_range range = { .space = VARVE_STR("idempotency_sql") };
    assert_int_equal(fixture->driver->open(&log, &location, NULL), VARVE_OK);
    assert_int_equal(fixture->driver->records(log, &range, note_record, &found, &now, NULL), VARVE_OK);
    assert_int_equal(found, 1);
    fixture->driver->close(log);
    PQfinish(caller);
}

/* ---- transactions ---- */

static void only_read_committed_will_do(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    static const char *const levels[] = { "REPEATABLE READ", "SERIALIZABLE" };
    for (size_t i = 0; i < 2; i++) {
        char begin[80];
        snprintf(begin, sizeof begin, "BEGIN ISOLATION LEVEL %s", levels[i]);
        run(caller, begin);
        assert_refused(caller, one_event, NULL, NULL, "VR405", levels[i]);
        run(caller, "ROLLBACK");
    }
    assert_int_equal(head_of(fixture->store), 0);
    PQfinish(caller);
}

/* The record is what an engine with a schema for the type writes (src/engine/covered.c). */
static void a_type_with_a_schema_is_refused(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    static const char two[] = "[{\"stream\":\"a-1\",\"type\":\"Free\"},{\"stream\":\"a-1\",\"type\":\"Held\"}]";
    struct store_write write = {
        .record = { .space = VARVE_STR("schema"), .key = VARVE_STR("Held"), .value = VARVE_STR("{}") }
    };
    size_t failed = 0;
    assert_appended(caller, two, NULL, "before", "\"last_position\": 2");
    assert_int_equal(store_records_write(fixture->store, &write, 1, &failed, NULL), VARVE_OK);
    assert_refused(caller, two, NULL, NULL, "VR405", "events of type Held have a schema");
    assert_appended(caller, two, NULL, "before", "\"repeated\": true");
    assert_int_equal(head_of(fixture->store), 2);
    write.remove = true;
    assert_int_equal(store_records_write(fixture->store, &write, 1, &failed, NULL), VARVE_OK);
    assert_appended(caller, two, NULL, NULL, "\"last_position\": 4");
    PQfinish(caller);
}

static void events_and_rows_are_one_transaction(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    run(caller, "CREATE TABLE orders (id int PRIMARY KEY)");
    run(caller, "BEGIN; INSERT INTO orders VALUES (1)");
    assert_appended(caller, one_event, NULL, NULL, "\"last_position\": 1");
    assert_appended(caller, one_event, NULL, NULL, "\"last_position\": 2"); /* it sees its own */
    assert_int_equal(head_of(fixture->store), 0);
    run(caller, "ROLLBACK");
    assert_int_equal(head_of(fixture->store), 0);
    run(caller, "BEGIN; INSERT INTO orders VALUES (1); SAVEPOINT before");
    assert_appended(caller, one_event, NULL, NULL, "\"last_position\": 1");
    run(caller, "ROLLBACK TO before");
    assert_appended(caller, one_event, NULL, NULL, "\"last_position\": 1");
    run(caller, "COMMIT");
    run(caller, "BEGIN; INSERT INTO orders VALUES (2)");
    assert_refused(caller, one_event, "[{\"stream\":\"s-1\",\"expected_version\":0}]", NULL, "VR412", "at version 1");
    run(caller, "COMMIT"); /* which rolls back */
    assert_string_equal(run(caller, "SELECT string_agg(id::text, ',') FROM orders"), "1");
    assert_int_equal(head_of(fixture->store), 1);
    assert_clean(fixture->store, 1);
    PQfinish(caller);
}

static void who_waits_too_long_is_told_for_whom(void **state)
{
    struct fixture *fixture = *state;
    PGconn *holder = connect_caller(fixture), *caller = connect_caller(fixture);
    char pid[40];
    snprintf(pid, sizeof pid, "(server process %d)", PQbackendPID(holder));
    run(holder, "BEGIN");
    assert_appended(holder, one_event, NULL, NULL, "\"last_position\": 1");
    run(caller, "SET lock_timeout = '50ms'");
    assert_refused(caller, one_event, NULL, NULL, "VR503", pid);
    assert_string_equal(run(caller, "SHOW lock_timeout"), "50ms");
    /* What cannot be accepted anyway is refused without waiting. */
    assert_refused(caller, "[]", NULL, NULL, "VR400", "");
    run(caller, "SET lock_timeout = 0; SET statement_timeout = '50ms'");
    assert_refused(caller, one_event, NULL, NULL, "57014", ""); /* lock_timeout would be ten seconds now */
    run(holder, "COMMIT");
    assert_appended(caller, one_event, NULL, NULL, "\"last_position\": 2");
    assert_string_equal(run(caller, "SHOW lock_timeout"), "0");
    assert_string_equal(run(caller, "SELECT proconfig::text FROM pg_proc WHERE oid = 'log.lock_within_10_s'::regproc"),
                        "{lock_timeout=10s}");
    PQfinish(holder);
    PQfinish(caller);
}

/* Whatever a session has set: the answer is the same, and durable. */
static void settings_of_the_session_change_nothing(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    run(caller, "SET standard_conforming_strings = off; SET backslash_quote = on; SET DateStyle = 'German, DMY'; "
                "SET TimeZone = 'Asia/Kathmandu'; SET bytea_output = 'escape'; SET synchronous_commit = off; "
                "SET extra_float_digits = -15; SET search_path = pg_temp; SET IntervalStyle = 'sql_standard'; "
                "SET transform_null_equals = on; SET quote_all_identifiers = on; "
                "CREATE TEMP TABLE events (position bigint, stream text, version bigint)");
    run(caller, "BEGIN");
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++)
        assert_appended(caller, accepted[i], NULL, NULL, "\"ids\"");
    assert_appended(caller, one_event, NULL, "key", "\"ids\"");
    assert_string_equal(run(caller, "SHOW synchronous_commit"), "on");
    run(caller, "COMMIT");
    assert_string_equal(run(caller, "SHOW synchronous_commit"), "off");
    assert_string_equal(run(caller, "SELECT count(*) FROM events"), "0");
    assert_appended(caller, one_event, NULL, "key", "\"repeated\": true");
    assert_clean(fixture->store, sizeof accepted / sizeof accepted[0] + 1);
    PQfinish(caller);
}

static void a_caller_needs_no_right_but_the_call(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    char script[300];
    snprintf(script, sizeof script, "CREATE ROLE r%s; GRANT USAGE ON SCHEMA log TO r%s; SET ROLE r%s",
             fixture->postgres.database, fixture->postgres.database, fixture->postgres.database);
    run(caller, script);
    assert_refused(caller, one_event, NULL, NULL, "42501", "permission denied for function append");
    snprintf(script, sizeof script,
             "RESET ROLE; GRANT EXECUTE ON FUNCTION log.append(json, jsonb, text) TO r%s; SET ROLE r%s",
             fixture->postgres.database, fixture->postgres.database);
    run(caller, script);
    assert_appended(caller, one_event, "[{\"fail_if_match\":[{\"tags\":[\"b\"]}],\"after\":0}]", "key", "\"ids\"");
    PGresult *denied = PQexec(caller, "SELECT * FROM log.events");
    assert_string_equal(PQresultErrorField(denied, PG_DIAG_SQLSTATE), "42501");
    PQclear(denied);
    snprintf(script, sizeof script, "RESET ROLE; DROP OWNED BY r%s; DROP ROLE r%s", fixture->postgres.database,
             fixture->postgres.database);
    run(caller, script);
    PQfinish(caller);
}

static void engines_hear_of_it(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture), *listener = connect_caller(fixture);
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    const varve_read_options options = { .follow = true, .wait_ms = 10000 };
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_CAUGHT_UP);
    assert_appended(caller, one_event, NULL, NULL, "\"last_position\": 1");
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    assert_int_equal(event->position, 1);
    varve_cursor_close(cursor);

    run(listener, "LISTEN \"varve log\"");
    run(caller, "SELECT log.announce()");
    run(listener, "SELECT 1");
    PGnotify *notice = PQnotifies(listener);
    assert_non_null(notice);
    assert_string_equal(notice->extra, run(caller, "SELECT position || ' ' || (extract(epoch FROM recorded_at) * "
                                                   "1000000)::bigint FROM log.events"));
    PQfreemem(notice);
    run(caller, "BEGIN");
    assert_appended(caller, one_event, NULL, NULL, "\"last_position\": 2");
    PGresult *result = PQexec(caller, "SELECT log.announce()");
    assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "VR405");
    PQclear(result);
    PQfinish(caller);
    PQfinish(listener);
}

/* Bytes of names and payloads would not be kept. */
static void a_database_of_another_encoding_is_refused(void **state)
{
    struct fixture *fixture = *state;
    PGconn *caller = connect_caller(fixture);
    varve_store *store = NULL;
    varve_error error = { 0 };
    char sql[200], uri[sizeof fixture->postgres.uri + 40];
    snprintf(sql, sizeof sql, "CREATE DATABASE %s_ascii ENCODING 'SQL_ASCII' TEMPLATE template0",
             fixture->postgres.database);
    run(caller, sql);
    snprintf(uri, sizeof uri, "%s_ascii", postgres_uri(&fixture->postgres, NULL));
    assert_int_equal(store_open(&store, fixture->driver, uri, &(varve_store_options){ 0 }, &error), VARVE_INCOMPATIBLE);
    assert_non_null(strstr(error.message, "SQL_ASCII"));
    snprintf(sql, sizeof sql, "DROP DATABASE %s_ascii WITH (FORCE)", fixture->postgres.database);
    run(caller, sql);
    PQfinish(caller);
}

/* ---- many at once ---- */

struct appender {
    struct fixture *fixture;
    PGconn *caller;     /* NULL: by the engine */
    varve_store *store; /* the engine's */
    size_t conflicts, unexpected;
    char problem[300];
};

/* One append to a hot stream on condition of the version that was seen just before; 1 done, 0 conflict, -1 neither. */
static int try_in_sql(struct appender *appender, size_t stream)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT log.append(json_build_array(json_build_object('stream', 'hot-%zu', 'type', 'T')), "
             "jsonb_build_array(jsonb_build_object('stream', 'hot-%zu', 'expected_version', "
             "(SELECT coalesce(max(version), 0) FROM log.events WHERE stream = 'hot-%zu'))))",
             stream, stream, stream);
    PGresult *result = PQexec(appender->caller, sql);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    int outcome = PQresultStatus(result) == PGRES_TUPLES_OK ? 1 : state != NULL && strcmp(state, "VR412") == 0 ? 0 : -1;
    if (outcome < 0) snprintf(appender->problem, sizeof appender->problem, "%s", PQresultErrorMessage(result));
    PQclear(result);
    return outcome;
}

static int try_in_c(struct appender *appender, size_t stream)
{
    char name[32];
    uint64_t version = 0;
    varve_error error = { 0 };
    snprintf(name, sizeof name, "hot-%zu", stream);
    varve_status status = varve_stream_get_version(appender->store, varve_str_of(name), &version, &error);
    if (status >= 0) status = append_if(appender->store, name, VARVE_STREAM_AT, version, NULL, &error);
    if (status < 0) snprintf(appender->problem, sizeof appender->problem, "%s", error.message);
    return status == VARVE_OK ? 1 : status == VARVE_CONFLICT ? 0 : -1;
}

static void *append_hot(void *argument)
{
    struct appender *appender = argument;
    for (size_t done = 0; done < APPENDS_EACH && appender->unexpected == 0;) {
        int outcome = appender->caller != NULL ? try_in_sql(appender, done % HOT_STREAMS)
                                               : try_in_c(appender, done % HOT_STREAMS);
        done += outcome == 1;
        appender->conflicts += outcome == 0;
        appender->unexpected += outcome < 0;
    }
    return NULL;
}

static void callers_and_engines_share_one_order(void **state)
{
    struct fixture *fixture = *state;
    struct appender appenders[SQL_APPENDERS + ENGINE_APPENDERS] = { 0 };
    pthread_t threads[SQL_APPENDERS + ENGINE_APPENDERS];
    enum { ALL = SQL_APPENDERS + ENGINE_APPENDERS };
    size_t conflicts = 0;
    for (size_t i = 0; i < ALL; i++) {
        appenders[i].fixture = fixture;
        if (i < SQL_APPENDERS)
            appenders[i].caller = connect_caller(fixture);
        else
            assert_int_equal(open_again(fixture, &appenders[i].store, false, NULL), VARVE_OK);
    }
    for (size_t i = 0; i < ALL; i++) assert_int_equal(pthread_create(&threads[i], NULL, append_hot, &appenders[i]), 0);
    for (size_t i = 0; i < ALL; i++) {
        pthread_join(threads[i], NULL);
        if (appenders[i].unexpected > 0) fail_msg("%s", appenders[i].problem);
        conflicts += appenders[i].conflicts;
        if (appenders[i].caller != NULL) PQfinish(appenders[i].caller);
        varve_store_close(appenders[i].store);
    }
    print_message("%d appends, %zu conflicts\n", ALL * APPENDS_EACH, conflicts);
    assert_int_equal(head_of(fixture->store), ALL * APPENDS_EACH);
    assert_clean(fixture->store, ALL * APPENDS_EACH);
}

int main(void)
{
    struct fixture fixture = { .driver = driver_under_test(1) };
    struct CMUnitTest cases[] = {
        CASE(what_sql_appends_is_read_as_if_c_had),
        CASE(a_request_that_varve_would_not_take_is_refused),
        CASE(the_largest_of_everything_is_taken),
        CASE(no_json_is_taken_that_varve_cannot_read),
        CASE(conditions_are_checked),
        CASE(an_append_can_be_repeated),
        CASE(a_key_is_a_whole_record),
        CASE(only_read_committed_will_do),
        CASE(a_type_with_a_schema_is_refused),
        CASE(events_and_rows_are_one_transaction),
        CASE(who_waits_too_long_is_told_for_whom),
        CASE(settings_of_the_session_change_nothing),
        CASE(a_caller_needs_no_right_but_the_call),
        CASE(engines_hear_of_it),
        CASE(a_database_of_another_encoding_is_refused),
        CASE(callers_and_engines_share_one_order),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) cases[i].initial_state = &fixture;
    return cmocka_run_group_tests_name("append in SQL", cases, NULL, NULL);
}
