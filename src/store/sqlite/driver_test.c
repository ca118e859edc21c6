/* SPDX-License-Identifier: Apache-2.0 */
/* What is particular to a store in a SQLite file: what a file is taken for, and what SQL tools see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>
#include <varve.h>
#include <cmocka.h>

#include "store/access.h"
#include "tests/support/scratch.h"

static varve_status open_at(const char *path, varve_store_options options, varve_store **store, varve_error *error)
{
    *error = (varve_error){ 0 };
    return store_open(store, &store_sqlite, path, &options, error);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_file_that_is_no_store_is_refused_and_left_alone(void **state)
{
    struct scratch scratch;
    varve_store *store = NULL;
    varve_error error;
    char text[2000];
    (void)state;
    scratch_init(&scratch);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    write_file(scratch_path(&scratch, "text"), text);
    assert_int_equal(open_at(scratch.path, (varve_store_options){ 0 }, &store, &error), VARVE_INCOMPATIBLE);
    assert_non_null(strstr(error.message, "not a varve store"));
    struct stat file;
    assert_int_equal(stat(scratch.path, &file), 0);
    assert_int_equal(file.st_size, sizeof text - 1);

    run_sql(scratch_path(&scratch, "other.db"), "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    assert_int_equal(open_at(scratch.path, (varve_store_options){ 0 }, &store, &error), VARVE_INCOMPATIBLE);
    assert_non_null(strstr(error.message, "not a varve store"));
    assert_int_equal(access(scratch_path(&scratch, "other.db-wal"), F_OK), -1);

    assert_int_equal(open_at(scratch.folder, (varve_store_options){ 0 }, &store, &error), VARVE_INCOMPATIBLE);
    scratch_fini(&scratch);
}

static void a_store_of_a_newer_format_is_refused(void **state)
{
    struct scratch scratch;
    varve_store *store = NULL;
    varve_error error;
    (void)state;
    scratch_init(&scratch);
    assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
    varve_store_close(store);
    run_sql(scratch_path(&scratch, "s.db"), "PRAGMA user_version = 99");
    assert_int_equal(open_at(scratch.path, (varve_store_options){ 0 }, &store, &error), VARVE_INCOMPATIBLE);
    assert_non_null(strstr(error.message, "format 99"));
    assert_int_equal(open_at(scratch.path, (varve_store_options){ .read_only = true }, &store, &error),
                     VARVE_INCOMPATIBLE);
    scratch_fini(&scratch);
}

static void a_store_that_must_exist_is_not_created(void **state)
{
    struct scratch scratch;
    varve_store *store = NULL;
    varve_error error;
    (void)state;
    scratch_init(&scratch);
    scratch_path(&scratch, "none.db");
    assert_int_equal(open_at(scratch.path, (varve_store_options){ .must_exist = true }, &store, &error),
                     VARVE_NOT_FOUND);
    assert_int_equal(open_at(scratch.path, (varve_store_options){ .read_only = true }, &store, &error),
                     VARVE_NOT_FOUND);
    assert_int_equal(access(scratch.path, F_OK), -1);
    scratch_path(&scratch, "no/such/folder/s.db");
    assert_int_equal(open_at(scratch.path, (varve_store_options){ 0 }, &store, &error), VARVE_NOT_FOUND);
    assert_int_equal(open_at("", (varve_store_options){ 0 }, &store, &error), VARVE_INVALID);
    scratch_fini(&scratch);
}

static void one_file_has_one_lock_under_all_its_names(void **state)
{
    struct scratch scratch;
    varve_store *store = NULL, *second = NULL;
    varve_error error;
    char alias[192];
    (void)state;
    scratch_init(&scratch);
    snprintf(alias, sizeof alias, "%s", scratch_path(&scratch, "alias.db"));
    assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
    assert_int_equal(symlink(scratch.path, alias), 0);
    assert_int_equal(open_at(alias, (varve_store_options){ 0 }, &second, &error), VARVE_LOCKED);
    assert_int_equal(error.detail, getpid());
    varve_store_close(store);
    assert_int_equal(open_at(alias, (varve_store_options){ 0 }, &second, &error), VARVE_OK);
    varve_store_close(second);

    /* A link that points to what is not there yet is the same file as soon as it is. */
    char dangling[192];
    snprintf(dangling, sizeof dangling, "%s", scratch_path(&scratch, "dangling.db"));
    assert_int_equal(symlink("new.db", dangling), 0);
    assert_int_equal(open_at(dangling, (varve_store_options){ 0 }, &store, &error), VARVE_OK);
    assert_int_equal(open_at(dangling, (varve_store_options){ 0 }, &second, &error), VARVE_LOCKED);
    assert_int_equal(open_at(scratch_path(&scratch, "new.db"), (varve_store_options){ 0 }, &second, &error),
                     VARVE_LOCKED);
    varve_store_close(store);

    /* A hard link has a lock of its own, so it is refused. */
    snprintf(dangling, sizeof dangling, "%s", scratch_path(&scratch, "hard.db"));
    assert_int_equal(link(scratch_path(&scratch, "new.db"), dangling), 0);
    assert_int_equal(open_at(dangling, (varve_store_options){ 0 }, &second, &error), VARVE_DENIED);
    scratch_fini(&scratch);
}

/* Another program that writes into the file breaks the rule of one writer; the store must not lie about it. */
static void a_foreign_writer_makes_busy_not_wrong(void **state)
{
    struct scratch scratch;
    varve_store *store = NULL;
    varve_error error;
    sqlite3 *other = NULL;
    uint64_t head = 9;
    (void)state;
    scratch_init(&scratch);
    assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
    assert_int_equal(sqlite3_open(scratch.path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1 };
    assert_int_equal(varve_append(store, &request, NULL, &error), VARVE_BUSY);
    assert_int_equal(varve_store_head(store, &head, NULL), VARVE_OK);
    assert_int_equal(head, 0);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    assert_int_equal(varve_append(store, &request, NULL, &error), VARVE_OK);
    varve_store_close(store);
    scratch_fini(&scratch);
}

static void verify_finds_holes_and_lost_indexes(void **state)
{
    static const char *const wounds[] = {
        "DELETE FROM events WHERE position = 2",
        "UPDATE events SET version = 9 WHERE position = 3",
        "UPDATE events SET recorded_at = recorded_at - 1000000000 WHERE position = 3",
        "DELETE FROM event_tags",
        "INSERT INTO event_tags VALUES ('t', 77)",
        "UPDATE streams SET name = 's-2'",
        "UPDATE types SET name = 'F'",
        "UPDATE events SET correlation_id = 'x' WHERE position = 3",
        "UPDATE events SET correlation_id = NULL",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wounds / sizeof wounds[0]; i++) {
        struct scratch scratch;
        varve_store *store = NULL;
        varve_error error;
        uint64_t checked = 0;
        scratch_init(&scratch);
        const varve_str tag = VARVE_STR("t");
        const varve_event event = { .stream = VARVE_STR("s-1"),
                                    .type = VARVE_STR("E"),
                                    .metadata = VARVE_STR("{\"correlation_id\":\"a\\/b\"}"),
                                    .tags = &tag,
                                    .tag_count = 1 };
        const varve_event events[] = { event, event, event };
        assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
        varve_append(store, &(varve_append_request){ .events = events, .event_count = 3 }, NULL, NULL);
        assert_int_equal(varve_store_verify(store, NULL, &checked, NULL), VARVE_OK);
        varve_store_close(store);
        run_sql(scratch_path(&scratch, "s.db"), wounds[i]);
        assert_int_equal(open_at(scratch.path, (varve_store_options){ .read_only = true }, &store, &error), VARVE_OK);
        if (varve_store_verify(store, NULL, &checked, NULL) != VARVE_CORRUPT) fail_msg("unnoticed: %s", wounds[i]);
        varve_store_close(store);
        scratch_fini(&scratch);
    }
}

/* What a damaged or meddled-with table definition says when the store is opened; NULL: nothing. */
static void check_schema_change(const char *sql, const char *complaint)
{
    struct scratch scratch;
    varve_store *store = NULL;
    varve_error error;
    scratch_init(&scratch);
    assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
    varve_store_close(store);
    run_sql(scratch.path, sql);
    for (int read_only = 0; read_only < 2; read_only++) {
        const varve_store_options options = { .read_only = read_only };
        varve_status status = open_at(scratch.path, options, &store, &error);
        if (status != (complaint == NULL ? VARVE_OK : VARVE_CORRUPT)) fail_msg("%s: %s", sql, error.message);
        if (complaint == NULL) {
            varve_store_close(store);
        } else if (strstr(error.message, complaint) == NULL || strstr(error.message, scratch.path) == NULL) {
            fail_msg("%s: %s", sql, error.message);
        }
    }
    scratch_fini(&scratch);
}

static void a_changed_table_definition_is_refused_by_name(void **state)
{
    static const struct {
        const char *sql, *complaint;
    } cases[] = {
        { "DROP INDEX events_by_id", "the index events_by_id is missing; restore" },
        { "DROP TABLE snapshots", "the table snapshots is missing; restore" },
        { "ALTER TABLE events ADD COLUMN mood TEXT", "the table events is not defined as varve defines it; restore" },
        { "DROP INDEX events_by_stream; CREATE INDEX events_by_stream ON events (stream, version)",
          "the index events_by_stream is not defined as" },
        { "DROP TABLE snapshots; CREATE VIEW snapshots AS SELECT 1", "the table snapshots is not defined as" },
        { "CREATE TRIGGER mine AFTER INSERT ON Events BEGIN SELECT 1; END",
          "the trigger mine acts on varve's table events; DROP TRIGGER" },
        { "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_streams_1'",
          "the index sqlite_autoindex_streams_1 is missing" },
        { "CREATE TABLE mine (x UNIQUE); CREATE INDEX mine_by_x ON mine (x); CREATE VIEW seen AS SELECT * FROM events;"
          "CREATE TRIGGER mine_too AFTER INSERT ON mine BEGIN DELETE FROM mine WHERE x < new.x; END; VACUUM",
          NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_schema_change(cases[i].sql, cases[i].complaint);
}

/* Rows that damage has taken away must not make the log, or a stream, look shorter or thinner than it is. */
static void a_hole_is_an_error_however_it_is_read(void **state)
{
    static const char *const wounds[] = {
        "DELETE FROM events WHERE position = 2",
        "UPDATE events SET stream = 77 WHERE position = 2",
        "DELETE FROM events WHERE position = 1",
    };
    const varve_read_options reads[] = {
        { 0 },
        { .stream = VARVE_STR("s-1") },
        { .stream = VARVE_STR("s-1"), .backward = true },
        { .types = &(varve_str){ "F", 1 }, .type_count = 1 },
        { .until_position = 2 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof wounds / sizeof wounds[0]; i++) {
        struct scratch scratch;
        varve_store *store = NULL;
        varve_error error;
        scratch_init(&scratch);
        const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
        const varve_event events[] = { event, event, event };
        assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
        varve_append(store, &(varve_append_request){ .events = events, .event_count = 3 }, NULL, NULL);
        varve_store_close(store);
        run_sql(scratch_path(&scratch, "s.db"), wounds[i]);
        assert_int_equal(open_at(scratch.path, (varve_store_options){ .read_only = true }, &store, &error), VARVE_OK);
        for (size_t r = 0; r < sizeof reads / sizeof reads[0]; r++) {
            varve_cursor *cursor = NULL;
            const varve_event *read = NULL;
            varve_status status = varve_cursor_open(&cursor, store, &reads[r], &error);
            while (status == VARVE_OK) status = varve_cursor_next(cursor, &read, &error);
            if (status != VARVE_CORRUPT) fail_msg("read %zu does not notice: %s", r, wounds[i]);
            varve_cursor_close(cursor);
        }
        varve_store_close(store);
        scratch_fini(&scratch);
    }
}

static void a_correlation_written_with_escapes_is_found(void **state)
{
    struct scratch scratch;
    varve_store *store = NULL;
    varve_cursor *cursor = NULL;
    varve_error error;
    const varve_event *read = NULL;
    const varve_str tag = VARVE_STR("t");
    (void)state;
    scratch_init(&scratch);
    const varve_event events[] = {
        { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E"), .metadata = VARVE_STR("{\"correlation_id\":\"b\"}") },
        { .stream = VARVE_STR("s-1"),
          .type = VARVE_STR("E"),
          .metadata = VARVE_STR("{\"correlation_id\":\"a\\/b\"}"),
          .tags = &tag,
          .tag_count = 1 },
    };
    assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
    const varve_append_request request = { .events = events, .event_count = 2 };
    assert_int_equal(varve_append(store, &request, NULL, &error), VARVE_OK);
    const varve_read_options options = { .correlation_id = VARVE_STR("a/b") };
    assert_int_equal(varve_cursor_open(&cursor, store, &options, &error), VARVE_OK);
    assert_int_equal(varve_cursor_next(cursor, &read, &error), VARVE_OK);
    assert_int_equal(read->position, 2);
    assert_true(varve_str_is(read->tags[0], "t"));
    assert_int_equal(varve_cursor_next(cursor, &read, &error), VARVE_DONE);
    varve_cursor_close(cursor);
    varve_store_close(store);
    scratch_fini(&scratch);
}

/* SQLite would take a journal that is there for the new file's own, and bring back what it says. */
static void a_copy_is_not_made_beside_what_an_old_store_left(void **state)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    struct scratch scratch;
    varve_store *store = NULL;
    varve_error error;
    char backup[192], target[192];
    (void)state;
    scratch_init(&scratch);
    snprintf(backup, sizeof backup, "%s", scratch_path(&scratch, "backup.db"));
    snprintf(target, sizeof target, "%s", scratch_path(&scratch, "new.db"));
    assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
    assert_int_equal(varve_store_backup(store, backup, NULL, &error), VARVE_OK);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char left[224];
        snprintf(left, sizeof left, "new.db%s", suffixes[i]);
        write_file(scratch_path(&scratch, left), "old");
        snprintf(left, sizeof left, "%s%s exists already", target, suffixes[i]);
        assert_int_equal(varve_store_backup(store, target, NULL, &error), VARVE_INVALID);
        assert_string_equal(error.message, left);
        assert_int_equal(store_restore(&store_sqlite, target, backup, NULL, &error), VARVE_INVALID);
        assert_string_equal(error.message, left);
        assert_int_equal(unlink(scratch.path), 0);
    }
    assert_int_equal(store_restore(&store_sqlite, target, backup, NULL, &error), VARVE_OK);
    varve_store_close(store);
    scratch_fini(&scratch);
}

static varve_status import_text(const char *path, const char *text, varve_error *error)
{
    uint64_t events = 0;
    FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    assert_non_null(in);
    varve_status status = store_import(&store_sqlite, path, in, NULL, &events, error);
    fclose(in);
    return status;
}

/* Whoever waits for the lock holds the file open: under another file of that name there would be two locks. */
static void a_failed_import_takes_away_only_what_it_made(void **state)
{
    static const char damaged[] = "{\"varve_export\":1,\"events\":1}\n{}\n";
    struct scratch scratch;
    varve_store *store = NULL;
    varve_error error;
    (void)state;
    scratch_init(&scratch);
    assert_int_equal(import_text(scratch_path(&scratch, "s.db"), damaged, &error), VARVE_CORRUPT);
    assert_int_equal(access(scratch_path(&scratch, "s.db"), F_OK), -1);
    assert_int_equal(access(scratch_path(&scratch, "s.db-wal"), F_OK), -1);
    assert_int_equal(access(scratch_path(&scratch, "s.db.lock"), F_OK), 0);
    assert_int_equal(open_at(scratch_path(&scratch, "s.db"), (varve_store_options){ 0 }, &store, &error), VARVE_OK);
    varve_store_close(store);
    assert_int_equal(import_text(scratch.path, damaged, &error), VARVE_CORRUPT);
    assert_int_equal(open_at(scratch.path, (varve_store_options){ .must_exist = true }, &store, &error), VARVE_OK);
    varve_store_close(store);
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_no_store_is_refused_and_left_alone),
        cmocka_unit_test(a_store_of_a_newer_format_is_refused),
        cmocka_unit_test(a_store_that_must_exist_is_not_created),
        cmocka_unit_test(one_file_has_one_lock_under_all_its_names),
        cmocka_unit_test(a_foreign_writer_makes_busy_not_wrong),
        cmocka_unit_test(verify_finds_holes_and_lost_indexes),
        cmocka_unit_test(a_changed_table_definition_is_refused_by_name),
        cmocka_unit_test(a_hole_is_an_error_however_it_is_read),
        cmocka_unit_test(a_correlation_written_with_escapes_is_found),
        cmocka_unit_test(a_copy_is_not_made_beside_what_an_old_store_left),
        cmocka_unit_test(a_failed_import_takes_away_only_what_it_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
