/* SPDX-License-Identifier: Apache-2.0 */
#include "command/scheduled.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "command/first.h"
#include "command/request.h"
#include "event/read_json.h"
#include "store/contend.h"

#define SPACE     VARVE_STR("scheduled")
#define DUE_SPACE VARVE_STR("scheduled due")

#define NOT_AFTER    INT64_C(253402300799999999) /* the last time that can be written */
#define LIST_AT_ONCE 16                          /* records, whose data may be large */
#define DUE_AT_ONCE  64
#define DUE_LOOK_MAX 1024

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for a scheduled command");
}

const char *varve_scheduled_state_word(varve_scheduled_state state)
{
    static const char *const words[] = { "waiting", "running", "rejected", "failed", "done", "unreadable" };
    return (size_t)state < sizeof words / sizeof words[0] ? words[state] : "unknown";
}

const char *varve_scheduled_cancel_word(varve_scheduled_state was)
{
    if (was == VARVE_SCHEDULED_UNREADABLE) return "discarded";
    return was == VARVE_SCHEDULED_WAITING ? "cancelled" : "dismissed";
}

void varve_scheduled_fini(varve_scheduled *scheduled)
{
    if (scheduled->memory != NULL) arena_fini(scheduled->memory);
    free(scheduled->memory);
    *scheduled = (varve_scheduled){ 0 };
}

/* ---- as JSON, for people ---- */

static void add_text(varve_buf *out, const char *name, varve_str text)
{
    if (text.len == 0) return;
    varve_buf_printf(out, ",\"%s\":", name);
    varve_buf_json_string(out, text);
}

static void add_time(varve_buf *out, const char *name, varve_time time)
{
    char text[VARVE_TIME_TEXT_BYTES];
    varve_time_format(time, text);
    varve_buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

void varve_scheduled_write_json(const varve_scheduled *scheduled, varve_buf *out)
{
    const varve_command *command = &scheduled->command;
    char id[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(command->id, id);
    varve_buf_printf(out, "{\"id\":\"%s\"", id);
    add_text(out, "type", command->type);
    add_text(out, "stream", command->stream);
    varve_buf_printf(out, ",\"state\":\"%s\"", varve_scheduled_state_word(scheduled->state));
    add_time(out, "not_before", command->not_before);
    if (scheduled->scheduled_at != 0) add_time(out, "scheduled_at", scheduled->scheduled_at);
    if (scheduled->next_at > command->not_before) add_time(out, "next_at", scheduled->next_at);
    varve_buf_printf(out, ",\"attempts\":%lu", (unsigned long)scheduled->attempts);
    if (scheduled->interrupted > 0)
        varve_buf_printf(out, ",\"interrupted\":%lu", (unsigned long)scheduled->interrupted);
    add_text(out, "code", scheduled->code);
    add_text(out, "message", scheduled->message);
    if (command->expected == VARVE_STREAM_AT)
        varve_buf_printf(out, ",\"expected_version\":%" PRIu64, command->expected_version);
    else if (command->expected != VARVE_STREAM_ANY)
        add_text(out, "expected_version",
                 command->expected == VARVE_STREAM_NONE ? VARVE_STR("none") : VARVE_STR("exists"));
    add_text(out, "correlation_id", command->correlation_id);
    add_text(out, "causation_id", command->causation_id);
    add_text(out, "actor", command->actor);
    if (command->data.len > 0) {
        varve_buf_str(out, VARVE_STR(",\"data\":"));
        varve_buf_str(out, command->data);
    }
    varve_buf_str(out, VARVE_STR("}"));
}

/* ---- the record ---- */

static void write_value(const varve_scheduled *scheduled, varve_buf *out)
{
    const varve_command *command = &scheduled->command;
    varve_buf_printf(out, "{\"state\":%d,\"not_before\":%" PRId64 ",\"scheduled_at\":%" PRId64 ",\"next_at\":%" PRId64,
                     (int)scheduled->state, command->not_before, scheduled->scheduled_at, scheduled->next_at);
    varve_buf_printf(out,
                     ",\"attempts\":%lu,\"interrupted\":%lu,\"expected\":%d,\"expected_version\":%" PRIu64
                     ",\"time\":%" PRId64,
                     (unsigned long)scheduled->attempts, (unsigned long)scheduled->interrupted, (int)command->expected,
                     command->expected == VARVE_STREAM_AT ? command->expected_version : 0, command->time);
    add_text(out, "type", command->type);
    add_text(out, "stream", command->stream);
    add_text(out, "correlation_id", command->correlation_id);
    add_text(out, "causation_id", command->causation_id);
    add_text(out, "actor", command->actor);
    add_text(out, "traceparent", command->traceparent);
    add_text(out, "code", scheduled->code);
    add_text(out, "message", scheduled->message);
    varve_buf_str(out, VARVE_STR(",\"data\":"));
    varve_buf_str(out, command->data);
    varve_buf_str(out, VARVE_STR("}"));
}

static varve_status read_texts(struct event_reader *reader, varve_scheduled *scheduled)
{
    varve_command *command = &scheduled->command;
    const struct {
        const char *name;
        varve_str *text;
    } texts[] = {
        { "type", &command->type },
        { "stream", &command->stream },
        { "correlation_id", &command->correlation_id },
        { "causation_id", &command->causation_id },
        { "actor", &command->actor },
        { "traceparent", &command->traceparent },
        { "code", &scheduled->code },
        { "message", &scheduled->message },
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (json_is(&reader->scanner, texts[i].name)) return event_read_text(reader, texts[i].name, texts[i].text);
    if (!json_is(&reader->scanner, "data")) return event_read_unknown(reader);
    enum json_token token = json_next(&reader->scanner);
    if (json_skip(&reader->scanner, token, &command->data) == JSON_ERROR) return event_read_not_json(reader);
    return VARVE_OK;
}

enum number {
    STATE,
    NOT_BEFORE,
    SCHEDULED_AT,
    NEXT_AT,
    ATTEMPTS,
    INTERRUPTED,
    EXPECTED,
    EXPECTED_VERSION,
    TIME,
    NUMBERS
};

static varve_status read_members(struct event_reader *reader, varve_scheduled *scheduled, uint64_t numbers[NUMBERS])
{
    static const char *const names[NUMBERS] = { "state",       "not_before", "scheduled_at",     "next_at", "attempts",
                                                "interrupted", "expected",   "expected_version", "time" };
    enum json_token token = json_next(&reader->scanner);
    if (token != JSON_OBJECT) return event_read_wrong(reader, "value", "an object");
    while ((token = json_next(&reader->scanner)) == JSON_KEY) {
        size_t i = 0;
        while (i < NUMBERS && !json_is(&reader->scanner, names[i])) i++;
        varve_status status =
            i < NUMBERS ? event_read_number(reader, names[i], &numbers[i]) : read_texts(reader, scheduled);
        if (status < 0) return status;
    }
    return token == JSON_OBJECT_END ? VARVE_OK : event_read_not_json(reader);
}

/* Texts are borrowed from the record, or in `memory` where they had escapes. */
static varve_status read_record(const struct store_record *record, struct arena *memory, varve_scheduled *scheduled,
                                varve_error *error)
{
    varve_error problem = { 0 };
    struct event_reader reader = { .memory = memory, .error = &problem };
    uint64_t numbers[NUMBERS] = { 0 };
    *scheduled = (varve_scheduled){ 0 };
    json_start_around(&reader.scanner, record->value);
    varve_status status = read_members(&reader, scheduled, numbers);
    if (status == VARVE_OK) status = varve_uuid_parse(&scheduled->command.id, record->key, &problem);
    if (status == VARVE_NOMEM) return no_memory(error);
    if (status < 0)
        return varve_error_set(error, VARVE_CORRUPT, "the scheduled command %.*s cannot be read: %s",
                               (int)record->key.len, record->key.ptr, problem.message);
    scheduled->state = (varve_scheduled_state)numbers[STATE];
    scheduled->scheduled_at = (varve_time)numbers[SCHEDULED_AT];
    scheduled->next_at = (varve_time)numbers[NEXT_AT];
    scheduled->attempts = (uint32_t)numbers[ATTEMPTS];
    scheduled->interrupted = (uint32_t)numbers[INTERRUPTED];
    scheduled->command.not_before = (varve_time)numbers[NOT_BEFORE];
    scheduled->command.expected = (varve_condition_kind)numbers[EXPECTED];
    scheduled->command.expected_version = numbers[EXPECTED_VERSION];
    scheduled->command.time = (varve_time)numbers[TIME];
    return VARVE_OK;
}

static bool key_of(varve_uuid id, struct arena *memory, varve_str *key)
{
    char text[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(id, text);
    return arena_copy(memory, varve_str_of(text), key);
}

static void write_due_key(varve_time next_at, varve_uuid id, char text[SCHEDULED_DUE_KEY_BYTES])
{
    int len = snprintf(text, SCHEDULED_DUE_KEY_BYTES, "%0*" PRId64 "/", SCHEDULED_DUE_DIGITS, next_at);
    varve_uuid_format(id, text + len);
}

static bool due_key_of(const varve_scheduled *scheduled, struct arena *memory, varve_str *key)
{
    char text[SCHEDULED_DUE_KEY_BYTES];
    write_due_key(scheduled->next_at, scheduled->command.id, text);
    return arena_copy(memory, varve_str_of(text), key);
}

/* By which an engine tells, without reading the command, whether it knows it. */
static bool due_value_of(const varve_scheduled *scheduled, struct arena *memory, varve_str *value)
{
    varve_buf text = { 0 };
    varve_buf_str(&text, VARVE_STR("{\"type\":"));
    varve_buf_json_string(&text, scheduled->command.type);
    varve_buf_str(&text, VARVE_STR(",\"stream\":"));
    varve_buf_json_string(&text, scheduled->command.stream);
    varve_buf_str(&text, VARVE_STR("}"));
    bool made = !text.failed && arena_copy(memory, varve_buf_view(&text), value);
    varve_buf_fini(&text);
    return made;
}

static bool is_to_be_executed(const varve_scheduled *scheduled)
{
    return scheduled != NULL &&
           (scheduled->state == VARVE_SCHEDULED_WAITING || scheduled->state == VARVE_SCHEDULED_RUNNING);
}

varve_status scheduled_change(const varve_scheduled *before, uint64_t revision, const varve_scheduled *after,
                              struct arena *memory, struct store_write writes[SCHEDULED_WRITES_MAX], size_t *count,
                              varve_error *error)
{
    varve_buf value = { 0 };
    bool had_due = is_to_be_executed(before), has_due = is_to_be_executed(after);
    bool moves = before != NULL && after != NULL && had_due && has_due && before->next_at != after->next_at;
    struct store_write *own = &writes[0];
    *own = (struct store_write){
        .record.space = SPACE,
        .expect = before == NULL ? STORE_EXPECT_NONE : STORE_EXPECT_REVISION,
        .expected = revision,
        .remove = after == NULL,
        .expires_in = after != NULL && !has_due ? (varve_time)VARVE_SCHEDULED_RETENTION_S * 1000000 : 0,
    };
    if (after != NULL) write_value(after, &value);
    bool made = !value.failed && arena_copy(memory, varve_buf_view(&value), &own->record.value) &&
                key_of((after != NULL ? after : before)->command.id, memory, &own->record.key);
    varve_buf_fini(&value);
    *count = 1;
    if (made && had_due && (!has_due || moves)) {
        struct store_write *drop = &writes[(*count)++];
        *drop = (struct store_write){ .record.space = DUE_SPACE, .remove = true };
        made = due_key_of(before, memory, &drop->record.key);
    }
    if (made && has_due && (!had_due || moves)) {
        struct store_write *put = &writes[(*count)++];
        *put = (struct store_write){ .record.space = DUE_SPACE };
        made = due_key_of(after, memory, &put->record.key) && due_value_of(after, memory, &put->record.value);
    }
    return made ? VARVE_OK : no_memory(error);
}

varve_status scheduled_load(varve_store *store, varve_uuid id, struct arena *memory, varve_scheduled *scheduled,
                            uint64_t *revision, varve_error *error)
{
    struct store_record record = { 0 };
    varve_error problem = { 0 };
    char key[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(id, key);
    varve_status status = store_record_get(store, SPACE, varve_str_of(key), memory, &record, NULL, &problem);
    if (status == VARVE_NOT_FOUND) return varve_error_set(error, status, "no command %s is scheduled", key);
    if (status < 0 && error != NULL) *error = problem;
    if (status < 0) return status;
    *revision = record.revision;
    return read_record(&record, memory, scheduled, error);
}

/* ---- what is due ---- */

struct due_list {
    struct scheduled_scan *scan;
    struct scheduled_due *due;
    size_t count, room;
    size_t seen;          /* keys */
    varve_time last_at;   /* of the last key that was seen */
    varve_time others_at; /* of the first one that is not wanted */
    varve_buf type, stream;
};

static varve_status read_due_key(varve_str key, struct scheduled_due *due)
{
    *due = (struct scheduled_due){ 0 };
    if (key.len <= SCHEDULED_DUE_DIGITS || key.len >= SCHEDULED_DUE_KEY_BYTES) return VARVE_CORRUPT;
    for (size_t i = 0; i < SCHEDULED_DUE_DIGITS; i++) due->next_at = due->next_at * 10 + (key.ptr[i] - '0');
    varve_str id = { key.ptr + SCHEDULED_DUE_DIGITS + 1, key.len - SCHEDULED_DUE_DIGITS - 1 };
    return varve_uuid_parse(&due->id, id, NULL) < 0 ? VARVE_CORRUPT : VARVE_OK;
}

/* What does not say whose it is, is told by the command. */
static bool is_wanted(struct due_list *list, varve_str value)
{
    varve_buf_reset(&list->type);
    varve_buf_reset(&list->stream);
    if (varve_json_string(value, "type", &list->type, NULL) < 0 ||
        varve_json_string(value, "stream", &list->stream, NULL) < 0 || list->type.failed || list->stream.failed)
        return true;
    const varve_command command = { .type = varve_buf_view(&list->type), .stream = varve_buf_view(&list->stream) };
    return list->scan->wants(list->scan->ctx, &command);
}

static varve_status take_due(void *ctx, const struct store_record *record)
{
    struct due_list *list = ctx;
    struct scheduled_due due;
    varve_status status = read_due_key(record->key, &due);
    if (status < 0) return status;
    list->seen++;
    list->last_at = due.next_at;
    memcpy(list->scan->after, record->key.ptr, record->key.len);
    list->scan->after[record->key.len] = '\0';
    if (is_wanted(list, record->value))
        list->due[list->count++] = due;
    else if (due.next_at < list->others_at)
        list->others_at = due.next_at;
    return list->count == list->room ? VARVE_DONE : VARVE_OK;
}

varve_status scheduled_next(varve_store *store, struct scheduled_scan *scan, size_t room, struct scheduled_due *due,
                            size_t *found, varve_time *now, varve_error *error)
{
    struct due_list list = { .scan = scan, .due = due, .room = room, .others_at = INT64_MAX };
    char from[SCHEDULED_DUE_KEY_BYTES], after[SCHEDULED_DUE_KEY_BYTES];
    varve_status status = VARVE_OK;
    bool more = true;
    memcpy(from, scan->after, sizeof from);
    while (status >= 0 && more && list.count < room && list.seen < DUE_LOOK_MAX) {
        size_t before = list.seen;
        memcpy(after, scan->after, sizeof after);
        const struct store_record_range range = { .space = DUE_SPACE,
                                                  .after = varve_str_of(after),
                                                  .limit = DUE_AT_ONCE };
        status = store_records_list(store, &range, take_due, &list, now, error);
        more = list.seen - before == DUE_AT_ONCE && list.last_at <= *now;
    }
    if (status == VARVE_CORRUPT) varve_error_set(error, status, "when scheduled commands are due cannot be read");
    varve_buf_fini(&list.type);
    varve_buf_fini(&list.stream);
    /* What is wanted here is looked for from the same place until there is no more of it. */
    if (status < 0 || list.count > 0) memcpy(scan->after, from, sizeof from);
    if (status >= 0 && !more && list.count < room) scan->after[0] = '\0';
    scan->others_due = from[0] != '\0' || list.others_at <= *now;
    *found = list.count;
    return status < 0 ? status : VARVE_OK;
}

varve_status scheduled_forget_due(varve_store *store, const struct scheduled_due *due, varve_error *error)
{
    char id[VARVE_UUID_TEXT_BYTES], key[SCHEDULED_DUE_KEY_BYTES];
    size_t failed = 0;
    varve_uuid_format(due->id, id);
    write_due_key(due->next_at, due->id, key);
    struct store_write writes[] = {
        { .record = { .space = SPACE, .key = varve_str_of(id) }, .expect = STORE_EXPECT_NONE, .only_check = true },
        { .record = { .space = DUE_SPACE, .key = varve_str_of(key) }, .remove = true },
    };
    return store_records_write(store, writes, 2, &failed, error);
}

/* ---- scheduling ---- */

varve_status scheduled_check(const varve_command *command, varve_error *error)
{
    varve_command executed = *command;
    executed.not_before = 0;
    varve_status status = request_check(&executed, error);
    if (status >= 0 && (command->not_before <= 0 || command->not_before > NOT_AFTER))
        status = varve_error_set(error, VARVE_INVALID,
                                 "a scheduled command needs a not_before, a time after 1970 and before the year 10000");
    if (status >= 0 && (command->time < 0 || command->time > NOT_AFTER))
        status = varve_error_set(error, VARVE_INVALID, "a command's time lies after 1970 and before the year 10000");
    if (status >= 0 && command->expected == VARVE_STREAM_AT && command->expected_version > INT64_MAX)
        status = varve_error_set(error, VARVE_INVALID, "no stream has an expected_version beyond 63 bits");
    return status;
}

/* Whether what is kept is the same command for the same time, whoever asks. */
static bool is_same(const varve_command *kept, const varve_command *command)
{
    char a[CONTENT_DIGEST_BYTES], b[CONTENT_DIGEST_BYTES];
    content_digest(kept, a);
    content_digest(command, b);
    return strcmp(a, b) == 0 && kept->not_before == command->not_before && kept->expected == command->expected &&
           (kept->expected != VARVE_STREAM_AT || kept->expected_version == command->expected_version);
}

varve_status scheduled_find_outcome(varve_store *store, struct arena *memory, varve_scheduled *scheduled,
                                    varve_error *error)
{
    struct first first = { 0 };
    varve_outcome outcome = { .memory = memory };
    first_init(&first, &scheduled->command);
    varve_status status = first_find(&first, store, &scheduled->command, &outcome, error);
    if (status == VARVE_REPEATED || status == VARVE_REJECTED) {
        scheduled->state = status == VARVE_REJECTED ? VARVE_SCHEDULED_REJECTED : VARVE_SCHEDULED_DONE;
        scheduled->code = outcome.code;
        scheduled->message = outcome.message;
        status = VARVE_REPEATED;
    }
    first_fini(&first);
    return status;
}

/* One try. OK: `wanted` is kept now. REPEATED: `found` tells what was there. SKIPPED: somebody else was quicker. */
static varve_status schedule_once(varve_store *store, varve_scheduled *wanted, struct contention *contention,
                                  struct arena *memory, varve_scheduled *found, varve_error *error)
{
    struct store_write writes[SCHEDULED_WRITES_MAX];
    struct store_record record = { 0 };
    struct arena texts = { 0 };
    varve_error problem = { 0 };
    char key[VARVE_UUID_TEXT_BYTES];
    size_t count = 0;
    varve_uuid_format(wanted->command.id, key);
    arena_reset(memory);
    varve_status status =
        store_record_get(store, SPACE, varve_str_of(key), memory, &record, &wanted->scheduled_at, &problem);
    if (status == VARVE_OK) {
        status = read_record(&record, memory, found, error);
        if (status == VARVE_OK && !is_same(&found->command, &wanted->command))
            status = varve_error_set(error, VARVE_ID_CONFLICT,
                                     "the command's id is scheduled already, for another command or time");
        return status < 0 ? status : VARVE_REPEATED;
    }
    if (status != VARVE_NOT_FOUND) {
        *error = problem;
        return status;
    }
    *found = *wanted;
    status = scheduled_find_outcome(store, memory, found, error);
    if (status != VARVE_OK) return status;
    status = scheduled_change(NULL, 0, wanted, &texts, writes, &count, error);
    if (status >= 0) status = contend_write(contention, store, writes, count, error);
    arena_fini(&texts);
    return status == VARVE_REPEATED ? VARVE_SKIPPED : status;
}

/* Everything that `from` is, with texts of its own. */
static varve_status copy_out(const varve_scheduled *from, varve_scheduled *to, varve_error *error)
{
    struct arena *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return no_memory(error);
    *to = *from;
    to->memory = memory;
    varve_str *const texts[] = { &to->command.type,
                                 &to->command.stream,
                                 &to->command.data,
                                 &to->command.correlation_id,
                                 &to->command.causation_id,
                                 &to->command.actor,
                                 &to->command.traceparent,
                                 &to->code,
                                 &to->message };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i]->len == 0 || arena_copy(memory, *texts[i], texts[i])) continue;
        varve_scheduled_fini(to);
        return no_memory(error);
    }
    return VARVE_OK;
}

varve_status varve_store_schedule(varve_store *store, const varve_command *command, varve_scheduled *scheduled,
                                  varve_error *error)
{
    varve_error ignored;
    struct arena memory = { 0 };
    struct contention contention = { 0 };
    varve_scheduled found = { 0 }, wanted = { .command = *command, .next_at = command->not_before };
    if (error == NULL) error = &ignored;
    varve_status status = scheduled_check(command, error);
    if (status < 0) return status;
    if (varve_uuid_is_nil(command->id)) wanted.command.id = varve_uuid_new();
    if (command->data.len == 0) wanted.command.data = VARVE_STR("{}");
    do {
        status = schedule_once(store, &wanted, &contention, &memory, &found, error);
    } while (status == VARVE_SKIPPED);
    if (status >= 0 && scheduled != NULL) {
        varve_status copied = copy_out(status == VARVE_REPEATED ? &found : &wanted, scheduled, error);
        if (copied < 0) status = copied;
    }
    arena_fini(&memory);
    return status;
}

/* ---- looking and cancelling ---- */

varve_status varve_scheduled_get(varve_store *store, varve_uuid id, varve_scheduled *scheduled, varve_error *error)
{
    struct arena memory = { 0 };
    varve_scheduled found;
    uint64_t revision = 0;
    varve_status status = scheduled_load(store, id, &memory, &found, &revision, error);
    if (status >= 0) status = copy_out(&found, scheduled, error);
    arena_fini(&memory);
    return status;
}

struct listing {
    varve_scheduled_visit visit;
    void *ctx;
    struct arena memory;
    char last[VARVE_UUID_TEXT_BYTES];
    uint64_t count;
    bool ended; /* by the visitor */
    varve_error *error;
};

static varve_status show(void *ctx, const struct store_record *record)
{
    struct listing *listing = ctx;
    varve_scheduled scheduled;
    arena_reset(&listing->memory);
    varve_status status = read_record(record, &listing->memory, &scheduled, listing->error);
    if (status < 0) return status;
    varve_uuid_format(scheduled.command.id, listing->last);
    scheduled.command.data = (varve_str){ 0 };
    listing->count++;
    status = listing->visit(listing->ctx, &scheduled);
    listing->ended = status > 0;
    return status;
}

varve_status varve_scheduled_list(varve_store *store, varve_uuid after, uint64_t limit, varve_scheduled_visit visit,
                                  void *ctx, varve_error *error)
{
    struct listing listing = { .visit = visit, .ctx = ctx, .error = error };
    varve_status status = VARVE_OK;
    bool more = true;
    if (!varve_uuid_is_nil(after)) varve_uuid_format(after, listing.last);
    while (status >= 0 && more && (limit == 0 || listing.count < limit)) {
        uint64_t before = listing.count;
        size_t wanted = limit == 0 || limit - before > LIST_AT_ONCE ? LIST_AT_ONCE : (size_t)(limit - before);
        char from[VARVE_UUID_TEXT_BYTES];
        memcpy(from, listing.last, sizeof from);
        const struct store_record_range range = { .space = SPACE, .after = varve_str_of(from), .limit = wanted };
        status = store_records_list(store, &range, show, &listing, NULL, error);
        more = !listing.ended && listing.count - before == wanted;
    }
    arena_fini(&listing.memory);
    return status < 0 ? status : VARVE_OK;
}

/* The write that takes away what nobody can read. When it was due is not known, so that key is left to a scheduler. */
static varve_status discard(varve_uuid id, uint64_t revision, struct arena *memory, struct store_write *write,
                            varve_error *error)
{
    *write = (struct store_write){
        .record.space = SPACE,
        .expect = revision == 0 ? STORE_EXPECT_ANY : STORE_EXPECT_REVISION,
        .expected = revision,
        .remove = true,
    };
    return key_of(id, memory, &write->record.key) ? VARVE_OK : no_memory(error);
}

varve_status varve_scheduled_cancel(varve_store *store, varve_uuid id, varve_scheduled_state *was, varve_error *error)
{
    struct arena memory = { 0 };
    struct contention contention = { 0 };
    varve_status status = VARVE_REPEATED;
    while (status == VARVE_REPEATED) {
        struct store_write writes[SCHEDULED_WRITES_MAX];
        varve_scheduled found = { 0 };
        uint64_t revision = 0;
        size_t count = 1;
        arena_reset(&memory);
        status = scheduled_load(store, id, &memory, &found, &revision, error);
        if (status == VARVE_CORRUPT) {
            found.state = VARVE_SCHEDULED_UNREADABLE;
            status = discard(id, revision, &memory, writes, error);
        } else if (status >= 0 && found.state == VARVE_SCHEDULED_RUNNING) {
            status =
                varve_error_set(error, VARVE_CONFLICT, "the scheduled command is running, and may have taken effect");
        } else if (status >= 0) {
            status = scheduled_change(&found, revision, NULL, &memory, writes, &count, error);
        }
        if (status >= 0) status = contend_write(&contention, store, writes, count, error);
        if (status == VARVE_OK && was != NULL) *was = found.state;
    }
    arena_fini(&memory);
    return status;
}
