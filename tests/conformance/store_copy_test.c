/* SPDX-License-Identifier: Apache-2.0 */
/* What every store driver promises about copies, and what tells that a log is another one. */
#include "tests/conformance/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"

/* Events of every kind there is. */
static void append_kinds(varve_store *store)
{
    char deep[1025];
    memset(deep, '[', 512);
    memset(deep + 512, ']', 512);
    deep[1024] = '\0';
    const varve_str tags[] = { VARVE_STR("a b"), VARVE_STR("\"\\") };
    const char bytes[] = { 0, (char)0xff, '\n' };
    const varve_event events[] = {
        { .stream = VARVE_STR("s-1"),
          .type = VARVE_STR("A"),
          .data = VARVE_STR("{ \"n\" : 1.50,\"m\":9223372036854775807}"),
          .metadata = VARVE_STR("{\"correlation_id\":\"c\"}"),
          .tags = tags,
          .tag_count = 2,
          .occurred_at = 77 },
        { .stream = VARVE_STR("s-1"),
          .type = VARVE_STR("A"),
          .data = VARVE_STR("[1,\n2]\r\n"),
          .metadata = VARVE_STR("{\n}") },
        { .stream = VARVE_STR("größe-\"x\""), .type = VARVE_STR("B"), .data = varve_str_of(deep), .schema_version = 7 },
        { .stream = VARVE_STR("s-2"), .type = VARVE_STR("C"), .data = { bytes, 3 }, .content_type = VARVE_STR("a/b") },
        { .stream = VARVE_STR("s-2"),
          .type = VARVE_STR("C"),
          .data = VARVE_STR("1"),
          .content_type = VARVE_STR("application/x+json") },
    };
    const varve_append_request request = { .events = events, .event_count = 5 };
    assert_int_equal(varve_append(store, &request, NULL, NULL), VARVE_OK);
}

static bool same_event(const varve_event *a, const varve_event *b)
{
    bool same = varve_str_eq(a->stream, b->stream) && varve_str_eq(a->type, b->type) &&
                varve_str_eq(a->data, b->data) && varve_str_eq(a->metadata, b->metadata) &&
                varve_str_eq(a->content_type, b->content_type) && memcmp(&a->id, &b->id, sizeof a->id) == 0 &&
                a->schema_version == b->schema_version && a->occurred_at == b->occurred_at &&
                a->recorded_at == b->recorded_at && a->version == b->version && a->position == b->position &&
                a->tag_count == b->tag_count;
    for (size_t i = 0; same && i < a->tag_count; i++) same = varve_str_eq(a->tags[i], b->tags[i]);
    return same;
}

static void assert_same_log(varve_store *a, varve_store *b)
{
    varve_cursor *left = NULL, *right = NULL;
    const varve_event *x = NULL, *y = NULL;
    assert_int_equal(varve_cursor_open(&left, a, &(varve_read_options){ 0 }, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_open(&right, b, &(varve_read_options){ 0 }, NULL), VARVE_OK);
    varve_status status;
    while ((status = varve_cursor_next(left, &x, NULL)) == VARVE_OK) {
        assert_int_equal(varve_cursor_next(right, &y, NULL), VARVE_OK);
        assert_true(same_event(x, y));
    }
    assert_int_equal(status, VARVE_DONE);
    assert_int_equal(varve_cursor_next(right, &y, NULL), VARVE_DONE);
    varve_cursor_close(left);
    varve_cursor_close(right);
}

static varve_store *open_path(struct fixture *fixture, const char *name)
{
    varve_store *store = NULL;
    varve_error error = { 0 };
    const varve_store_options options = { .must_exist = true };
    if (store_open(&store, fixture->driver, place_of(fixture, name), &options, &error) < 0)
        fail_msg("%s", error.message);
    return store;
}

static void assert_nothing_at(struct fixture *fixture, const char *name)
{
    varve_store *store = NULL;
    const varve_store_options options = { .must_exist = true };
    assert_int_equal(store_open(&store, fixture->driver, place_of(fixture, name), &options, NULL), VARVE_NOT_FOUND);
}

static char *export_text(varve_store *store, size_t *size)
{
    char *text = NULL;
    uint64_t events = 0;
    FILE *out = open_memstream(&text, size);
    assert_int_equal(varve_store_export(store, out, NULL, &events, NULL), VARVE_OK);
    fclose(out);
    assert_int_equal(events, head_of(store));
    return text;
}

static varve_status import_text(struct fixture *fixture, const char *name, const char *text, size_t size,
                                varve_error *error)
{
    uint64_t events = 0;
    FILE *in = fmemopen((void *)text, size, "r");
    assert_non_null(in);
    varve_status status = store_import(fixture->driver, place_of(fixture, name), in, NULL, &events, error);
    fclose(in);
    return status;
}

static void an_export_imports_as_the_same_log(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 0, size_again = 0;
    append_kinds(fixture->store);
    for (int i = 0; i < 30; i++) append_n(fixture->store, "s-1", "E", 100);
    char *text = export_text(fixture->store, &size);
    varve_error error = { 0 };
    if (import_text(fixture, "imported", text, size, &error) < 0) fail_msg("%s", error.message);
    varve_store *imported = open_path(fixture, "imported");
    uint64_t checked = 0;
    assert_int_equal(varve_store_verify(imported, NULL, &checked, NULL), VARVE_OK);
    assert_same_log(fixture->store, imported);
    char before[VARVE_UUID_TEXT_BYTES], after[VARVE_UUID_TEXT_BYTES];
    assert_string_not_equal(varve_store_incarnation(fixture->store, before), varve_store_incarnation(imported, after));
    char *again = export_text(imported, &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(text, again, size);
    assert_int_equal(append_if(imported, "s-1", VARVE_STREAM_AT, 3002, NULL, NULL), VARVE_OK);
    varve_store_close(imported);
    free(again);
    free(text);
}

/* Every driver reads what any other has written. */
static void an_export_imports_into_the_other_stores(void **state)
{
    struct fixture *fixture = *state;
    const struct store_driver *other;
    size_t size = 0, size_again = 0;
    append_kinds(fixture->store);
    char *text = export_text(fixture->store, &size);
    for (size_t d = 0; (other = driver_under_test(d)) != NULL; d++) {
        struct fixture beside = { .driver = other };
        void *unknown = &beside;
        if (other == fixture->driver) continue;
        assert_int_equal(set_up(&unknown), 0);
        assert_int_equal(import_text(&beside, "imported", text, size, NULL), VARVE_OK);
        varve_store *imported = open_path(&beside, "imported");
        assert_same_log(fixture->store, imported);
        char *again = export_text(imported, &size_again);
        assert_int_equal(size_again, size);
        assert_memory_equal(again, text, size);
        free(again);
        varve_store_close(imported);
        tear_down(&unknown);
    }
    free(text);
}

static void an_empty_log_exports_and_imports(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 0;
    char *text = export_text(fixture->store, &size);
    assert_int_equal(import_text(fixture, "imported", text, size, NULL), VARVE_OK);
    varve_store *imported = open_path(fixture, "imported");
    assert_int_equal(head_of(imported), 0);
    varve_store_close(imported);
    free(text);
}

static void a_damaged_export_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 0;
    append_kinds(fixture->store);
    append_n(fixture->store, "s-1", "E", 20);
    char *text = export_text(fixture->store, &size);
    size_t places = is_in_a_file(fixture) ? 400 : 40;
    for (size_t at = 0; at < size; at += 1 + size / places) {
        char kept = text[at];
        varve_error error = { 0 };
        text[at] = (char)(kept ^ 4);
        if (import_text(fixture, "imported", text, size, &error) >= 0) fail_msg("byte %zu: not noticed", at);
        assert_true(error.message[0] != '\0');
        assert_nothing_at(fixture, "imported");
        text[at] = kept;
        if (import_text(fixture, "imported", text, at + 1, &error) >= 0) fail_msg("cut after %zu: not noticed", at);
        assert_nothing_at(fixture, "imported");
    }
    free(text);
}

/* Lines that are well formed, with the right checksum, but no log: the second event does not follow from the first. */
static void an_import_names_the_line_that_does_not_follow(void **state)
{
    static const struct {
        int position, version, id;
        const char *recorded_at, *names;
    } cases[] = {
        { 3, 2, 2, "12:00:00", "line 3 of the export: position 3 comes after position 1" },
        { 2, 3, 2, "12:00:00", "line 3 of the export: position 2 has version 3 of a stream that is at version 1" },
        { 2, 2, 2, "11:59:59", "line 3 of the export: position 2 was recorded before the one in front of it" },
        { 2, 2, 1, "12:00:00", "the id of the event at position 2 stands twice" },
    };
    static const char line[] =
        "{\"position\":%d,\"stream\":\"s-1\",\"version\":%d,\"id\":\"01890a5d-ac96-774b-bcce-b302099a800%d\","
        "\"type\":\"E\",\"occurred_at\":\"2026-01-01T00:00:00Z\",\"recorded_at\":\"2026-01-01T%sZ\"}\n";
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        varve_buf lines = { 0 }, text = { 0 };
        varve_error error = { 0 };
        varve_buf_printf(&lines, line, 1, 1, 1, "12:00:00");
        varve_buf_printf(&lines, line, cases[i].position, cases[i].version, cases[i].id, cases[i].recorded_at);
        varve_buf_printf(&text, "{\"varve_export\":1,\"events\":2}\n%s{\"end\":2,\"crc32c\":\"%08x\"}\n", lines.ptr,
                         (unsigned)crc32c(0, lines.ptr, lines.len));
        assert_int_equal(import_text(fixture, "imported", text.ptr, text.len, &error), VARVE_INVALID);
        if (strstr(error.message, cases[i].names) == NULL) fail_msg("%s", error.message);
        assert_nothing_at(fixture, "imported");
        varve_buf_fini(&lines);
        varve_buf_fini(&text);
    }
}

static void an_import_needs_an_empty_store(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 0;
    append_n(fixture->store, "s-1", "E", 2);
    char *text = export_text(fixture->store, &size);
    assert_int_equal(import_text(fixture, "imported", text, size, NULL), VARVE_OK);
    assert_int_equal(import_text(fixture, "imported", text, size, NULL), VARVE_INVALID);
    varve_store *imported = open_path(fixture, "imported");
    assert_int_equal(head_of(imported), 2);
    varve_store_close(imported);
    free(text);
}

struct busy_writer {
    pthread_t thread;
    varve_store *store;
    atomic_bool stop;
    atomic_int appended;
};

static void *keep_appending(void *argument)
{
    struct busy_writer *writer = argument;
    while (!writer->stop) {
        append_n(writer->store, "s-9", "E", 5);
        atomic_fetch_add(&writer->appended, 1);
    }
    return NULL;
}

static void a_backup_is_one_moment_while_writing_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct busy_writer writer = { .store = fixture->store };
    char path[200];
    uint64_t checked = 0;
    append_kinds(fixture->store);
    for (int i = 0; i < 20; i++) append_n(fixture->store, "s-1", "E", 100);
    pthread_create(&writer.thread, NULL, keep_appending, &writer);
    while (writer.appended < 3) {
    }
    uint64_t before = head_of(fixture->store);
    snprintf(path, sizeof path, "%s", scratch_path(&fixture->scratch, "backup.db"));
    varve_error error = { 0 };
    if (varve_store_backup(fixture->store, path, NULL, &error) < 0) fail_msg("%s", error.message);
    writer.stop = true;
    pthread_join(writer.thread, NULL);
    assert_int_equal(varve_store_backup(fixture->store, path, NULL, &error), VARVE_INVALID);

    varve_store *copy = NULL;
    if (is_in_a_file(fixture)) {
        const varve_store_options to_look = { .read_only = true };
        assert_int_equal(store_open(&copy, fixture->driver, path, &to_look, NULL), VARVE_OK);
        assert_int_equal(varve_store_verify(copy, NULL, &checked, NULL), VARVE_OK);
        varve_store_close(copy);
        assert_int_equal(access(scratch_path(&fixture->scratch, "backup.db-wal"), F_OK),
                         -1); /* one plain file, also after it was read */
        copy = open_path(fixture, "backup");
        char copied[VARVE_UUID_TEXT_BYTES], copied_from[VARVE_UUID_TEXT_BYTES];
        assert_string_equal(varve_store_incarnation(copy, copied),
                            varve_store_incarnation(fixture->store, copied_from));
    } else {
        if (store_restore(fixture->driver, place_of(fixture, "copy"), path, NULL, &error) < 0)
            fail_msg("%s", error.message);
        copy = open_path(fixture, "copy");
    }
    assert_int_equal(varve_store_verify(copy, NULL, &checked, NULL), VARVE_OK);
    assert_true(checked >= before);
    assert_true(checked <= head_of(fixture->store));
    assert_int_equal(checked % 5, 0); /* only whole appends */
    varve_store_close(copy);
}

static void a_restored_store_is_another_incarnation(void **state)
{
    struct fixture *fixture = *state;
    char backup[200], target[400], incarnation[VARVE_UUID_TEXT_BYTES];
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
    append_n(fixture->store, "s-1", "E", 5);
    snprintf(backup, sizeof backup, "%s", scratch_path(&fixture->scratch, "backup.db"));
    snprintf(target, sizeof target, "%s", place_of(fixture, "restored"));
    assert_int_equal(varve_store_backup(fixture->store, backup, NULL, NULL), VARVE_OK);
    append_n(fixture->store, "s-1", "E", 1); /* what the restored store will have lost */
    varve_store_incarnation(fixture->store, incarnation);
    varve_error error = { 0 };
    if (store_restore(fixture->driver, target, backup, NULL, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(store_restore(fixture->driver, target, backup, NULL, &error), VARVE_INVALID);

    varve_store *restored = open_path(fixture, "restored");
    assert_int_equal(head_of(restored), 5);
    varve_read_options options = { .after_position = 5, .incarnation = varve_str_of(incarnation), .follow = true };
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    varve_cursor_close(cursor);
    assert_int_equal(varve_cursor_open(&cursor, restored, &options, NULL), VARVE_REWOUND);

    /* Without the incarnation the id of the event at the checkpoint tells, once its place is taken by another. */
    options = (varve_read_options){ .after_position = 5 };
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &event, NULL), VARVE_OK);
    options = (varve_read_options){ .after_position = 6, .after_id = event->id };
    varve_cursor_close(cursor);
    assert_int_equal(varve_cursor_open(&cursor, fixture->store, &options, NULL), VARVE_OK);
    varve_cursor_close(cursor);
    assert_int_equal(varve_cursor_open(&cursor, restored, &options, NULL), VARVE_REWOUND);
    append_n(restored, "s-1", "E", 1);
    assert_int_equal(varve_cursor_open(&cursor, restored, &options, NULL), VARVE_REWOUND);
    varve_store_close(restored);

    assert_int_equal(store_new_incarnation(fixture->driver, target, NULL), VARVE_OK);
    restored = open_path(fixture, "restored");
    char renewed[VARVE_UUID_TEXT_BYTES];
    assert_string_not_equal(varve_store_incarnation(restored, renewed), incarnation);
    varve_store_close(restored);
}

static struct CMUnitTest cases[] = {
    CASE(an_export_imports_as_the_same_log),
    CASE(an_export_imports_into_the_other_stores),
    CASE(an_empty_log_exports_and_imports),
    CASE(a_damaged_export_leaves_nothing_behind),
    CASE(an_import_names_the_line_that_does_not_follow),
    CASE(an_import_needs_an_empty_store),
    CASE(a_backup_is_one_moment_while_writing_goes_on),
    CASE(a_restored_store_is_another_incarnation),
};

RUN_ON_ALL_DRIVERS(cases)
