/* SPDX-License-Identifier: Apache-2.0 */
/* Reads everything a store has and compares it with what the ledger knows. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/fault/ledger.h"

struct comparison {
    const struct ledger *ledger;
    varve_store *store;
    const struct ledger_rules *rules;
    struct ledger_findings *findings;
    uint64_t head;
    bool whole; /* the log could be read to its end, so that other reads can be compared with it */
    uint64_t first_position[LEDGER_APPENDS]; /* where each append was found; 0: not there */
    uint64_t versions[LEDGER_STREAMS];       /* each stream's events in the log */
    uint64_t by_correlation[6];
};

static void found(struct comparison *comparison, uint64_t *kind, const char *format, ...) VARVE_PRINTF(3, 4);

static void found(struct comparison *comparison, uint64_t *kind, const char *format, ...)
{
    struct ledger_findings *findings = comparison->findings;
    ++*kind;
    if (findings->first[0] != '\0') return;
    va_list args;
    va_start(args, format);
    vsnprintf(findings->first, sizeof findings->first, format, args);
    va_end(args);
}

static bool same_tags(const varve_event *a, const varve_event *b)
{
    if (a->tag_count != b->tag_count) return false;
    for (size_t i = 0; i < a->tag_count; i++)
        if (!varve_str_eq(a->tags[i], b->tags[i])) return false;
    return true;
}

bool ledger_event_is_right(const varve_event *event, size_t *append, size_t *place, char *what, size_t size)
{
    struct ledger_event made;
    *append = (size_t)event->id.bytes[12] << 8 | event->id.bytes[13];
    *place = event->id.bytes[15];
    const char *differs = NULL;
    if (*append >= LEDGER_APPENDS || *place >= ledger_event_count(*append)) {
        differs = "id";
    } else {
        ledger_event_make(*append, *place, &made);
        const varve_event *right = &made.event;
        if (memcmp(&event->id, &right->id, sizeof event->id) != 0)
            differs = "id";
        else if (!varve_str_eq(event->stream, right->stream))
            differs = "stream";
        else if (!varve_str_eq(event->type, right->type))
            differs = "type";
        else if (!varve_str_eq(event->data, right->data))
            differs = "data";
        else if (!varve_str_eq(event->metadata, right->metadata))
            differs = "metadata";
        else if (!varve_str_eq(event->content_type, right->content_type))
            differs = "content type";
        else if (!same_tags(event, right))
            differs = "tags";
        else if (event->schema_version != right->schema_version)
            differs = "schema version";
        else if (event->occurred_at != right->occurred_at)
            differs = "time";
    }
    if (differs == NULL) return true;
    snprintf(what, size, "the event at position %" PRIu64 " has another %s", event->position, differs);
    return false;
}

static size_t stream_number(varve_str stream)
{
    return (size_t)(stream.ptr[stream.len - 1] - '0');
}

/* Whether a promise was made before the moment that the rules are about. */
static bool counts(const struct comparison *comparison, const struct promise *promise)
{
    return promise->answered && promise->answered_at <= comparison->rules->before;
}

/* Calls `each` for every event of a read; counts a failure to read. */
static uint64_t read_all(struct comparison *comparison, const varve_read_options *options, const char *what,
                         void (*each)(struct comparison *, const varve_event *, uint64_t nth))
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    uint64_t nth = 0;
    varve_status status = varve_cursor_open(&cursor, comparison->store, options, &error);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &event, &error)) == VARVE_OK) {
        size_t append, place;
        char wrong[128];
        if (!ledger_event_is_right(event, &append, &place, wrong, sizeof wrong))
            found(comparison, &comparison->findings->wrong, "%s: %s", what, wrong);
        else
            each(comparison, event, ++nth);
    }
    if (status < 0) found(comparison, &comparison->findings->errors, "%s: %s", what, error.message);
    varve_cursor_close(cursor);
    return nth;
}

/* ---- the log ---- */

static void take_from_log(struct comparison *comparison, const varve_event *event, uint64_t nth)
{
    struct ledger_findings *findings = comparison->findings;
    size_t append = (size_t)event->id.bytes[12] << 8 | event->id.bytes[13], place = event->id.bytes[15];
    uint64_t *first = &comparison->first_position[append];
    if (event->position != nth)
        found(comparison, &findings->wrong, "position %" PRIu64 " comes where %" PRIu64 " should", event->position,
              nth);
    if (event->version != ++comparison->versions[stream_number(event->stream)])
        found(comparison, &findings->holes, "the event at position %" PRIu64 " has the wrong version", nth);
    if (place == 0 && *first != 0) found(comparison, &findings->wrong, "append %zu is there twice", append);
    if (place > 0 && *first + place != event->position)
        found(comparison, &findings->holes, "append %zu is torn at position %" PRIu64, append, nth);
    if (place == 0) *first = event->position;
    if (place == 0 && nth + ledger_event_count(append) - 1 > comparison->head)
        found(comparison, &findings->holes, "append %zu is cut off at the head", append);
    comparison->by_correlation[append % 6]++;
}

static void compare_promises(struct comparison *comparison)
{
    const struct ledger *ledger = comparison->ledger;
    struct ledger_findings *findings = comparison->findings;
    for (size_t i = 0; i < ledger->count; i++) {
        const struct promise *promise = &ledger->promises[i];
        uint64_t at = comparison->first_position[i];
        bool unknown = !promise->answered || promise->status == VARVE_INDETERMINATE;
        if (promise->answered && promise->status < 0 && !unknown && at != 0)
            found(comparison, &findings->wrong, "append %zu was refused (%s) and is at position %" PRIu64, i,
                  varve_status_word(promise->status), at);
        if (!promise->answered || promise->status < 0) continue;
        if (at != 0 && at != promise->first_position)
            found(comparison, &findings->wrong, "append %zu was promised position %" PRIu64 " and is at %" PRIu64, i,
                  promise->first_position, at);
        bool may_miss = comparison->rules->suffix && promise->first_position > comparison->head;
        if (at == 0 && !may_miss && counts(comparison, promise))
            found(comparison, &findings->lost, "append %zu, acknowledged at position %" PRIu64 ", is not there", i,
                  promise->first_position);
    }
}

/* ---- the other ways to the events ---- */

static void take_forward(struct comparison *comparison, const varve_event *event, uint64_t nth)
{
    if (event->version != nth)
        found(comparison, &comparison->findings->holes, "version %" PRIu64 " of %.*s comes where %" PRIu64 " should",
              event->version, (int)event->stream.len, event->stream.ptr, nth);
}

static void take_backward(struct comparison *comparison, const varve_event *event, uint64_t nth)
{
    if (comparison->whole && event->version != comparison->versions[stream_number(event->stream)] + 1 - nth)
        found(comparison, &comparison->findings->holes, "version %" PRIu64 " of %.*s comes out of order, backward",
              event->version, (int)event->stream.len, event->stream.ptr);
}

static void take_any(struct comparison *comparison, const varve_event *event, uint64_t nth)
{
    (void)comparison;
    (void)event;
    (void)nth;
}

static void compare_stream(struct comparison *comparison, size_t number)
{
    struct ledger_findings *findings = comparison->findings;
    uint64_t right = comparison->versions[number], version = 0;
    char name[32];
    varve_error error = { 0 };
    snprintf(name, sizeof name, "%s-%zu", number % 2 == 0 ? "account" : "card", number);
    varve_read_options options = { .stream = varve_str_of(name) };
    uint64_t forward = read_all(comparison, &options, name, take_forward);
    options.backward = true;
    uint64_t backward = read_all(comparison, &options, name, take_backward);
    if (comparison->whole && (forward != right || backward != right))
        found(comparison, &findings->holes,
              "%s has %" PRIu64 " events in the log, %" PRIu64 " forward, %" PRIu64 " backward", name, right, forward,
              backward);
    if (varve_stream_get_version(comparison->store, options.stream, &version, &error) < 0)
        found(comparison, &findings->errors, "%s: %s", name, error.message);
    else if (comparison->whole && version != right)
        found(comparison, &findings->holes, "%s is said to be at version %" PRIu64 ", not %" PRIu64, name, version,
              right);
}

static void compare_ids(struct comparison *comparison)
{
    varve_buf memory = { 0 };
    for (size_t i = 0; i < comparison->ledger->count; i++) {
        struct ledger_event made;
        varve_event event;
        varve_error error = { 0 };
        uint64_t at = comparison->first_position[i];
        if (!comparison->whole) at = comparison->ledger->promises[i].first_position;
        ledger_event_make(i, 0, &made);
        /* What reads by position have lost was told of; by its id it may be found still, where it was promised. */
        varve_status status = varve_event_find(comparison->store, made.event.id, &event, &memory, &error);
        if (status == VARVE_NOT_FOUND && at == 0) continue;
        if (status < 0 && status != VARVE_NOT_FOUND)
            found(comparison, &comparison->findings->errors, "by id: %s", error.message);
        else if (status == VARVE_NOT_FOUND)
            found(comparison, &comparison->findings->holes, "append %zu is not found by its id", i);
        else if (event.position != (at == 0 ? comparison->ledger->promises[i].first_position : at))
            found(comparison, &comparison->findings->wrong, "append %zu is found at another position by its id", i);
    }
    varve_buf_fini(&memory);
}

static void compare_other_ways(struct comparison *comparison)
{
    for (size_t i = 0; i < LEDGER_STREAMS; i++) compare_stream(comparison, i);
    for (size_t i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "c-%zu", i);
        const varve_read_options options = { .correlation_id = varve_str_of(name) };
        if (read_all(comparison, &options, name, take_any) != comparison->by_correlation[i] && comparison->whole)
            found(comparison, &comparison->findings->holes, "the events of correlation %s are not those of the log",
                  name);
    }
    compare_ids(comparison);
}

static void tell_problem(void *ctx, const char *problem)
{
    struct comparison *comparison = ctx;
    found(comparison, &comparison->findings->verify, "verify: %s", problem);
}

bool ledger_check(const struct ledger *ledger, varve_store *store, const struct ledger_rules *rules,
                  struct ledger_findings *findings)
{
    struct comparison comparison = { .ledger = ledger, .store = store, .rules = rules, .findings = findings };
    varve_error error = { 0 };
    uint64_t events = 0, errors = findings->errors;
    if (varve_store_head(store, &comparison.head, &error) < 0)
        found(&comparison, &findings->errors, "the head: %s", error.message);
    events = read_all(&comparison, &(varve_read_options){ 0 }, "the log", take_from_log);
    comparison.whole = findings->errors == errors;
    if (comparison.whole && events != comparison.head)
        found(&comparison, &findings->holes, "%" PRIu64 " events are there, the head is %" PRIu64, events,
              comparison.head);
    if (comparison.whole) compare_promises(&comparison);
    if (!rules->quick) compare_other_ways(&comparison);
    const varve_verify_options verify = { .problem = tell_problem, .ctx = &comparison };
    varve_status status = varve_store_verify(store, &verify, &events, &error);
    if (status < 0 && status != VARVE_CORRUPT) found(&comparison, &findings->verify, "verify: %s", error.message);
    return findings->lost + findings->wrong + findings->holes + findings->errors + findings->verify == 0;
}
