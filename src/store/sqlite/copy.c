/* SPDX-License-Identifier: Apache-2.0 */
/* Whole stores: a copy of one while it is written to, one made out of an export, one told that it is another. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/sqlite/reader.h"
#include "store/sqlite/upkeep.h"

enum { COPY_PAGES = 1024 };

/* ---- copy ---- */

static varve_status copy_pages(sqlite3 *to, sqlite3 *from, const varve_progress_options *options, varve_error *error)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) return sqlite_failed(to, "copying the store", error);
    int code;
    do {
        code = sqlite3_backup_step(backup, COPY_PAGES);
        int total = sqlite3_backup_pagecount(backup), left = sqlite3_backup_remaining(backup);
        if (options != NULL && options->progress != NULL)
            options->progress(options->ctx, (uint64_t)(total - left), (uint64_t)total);
    } while (code == SQLITE_OK);
    code = sqlite3_backup_finish(backup);
    return code == SQLITE_OK ? VARVE_OK : sqlite_failed(to, "copying the store", error);
}

/* Copies what the reader sees into the new file `path`. The reader's transaction keeps it one moment's state: a copy
 * between writes would have to start over after each of them and might never end. */
static varve_status copy_to(struct reader *reader, const char *path, bool renew, const varve_progress_options *options,
                            varve_error *error)
{
    sqlite3 *to = NULL;
    varve_status status = VARVE_OK;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &to, flags, NULL);
    if ((code & 0xff) == SQLITE_CANTOPEN)
        status = varve_error_set(error, VARVE_IO, "%s cannot be made: %s", path, sqlite3_errmsg(to));
    else if (code != SQLITE_OK)
        status = sqlite_failed(to, path, error);
    else if (sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL) != SQLITE_OK)
        status = sqlite_failed(to, path, error);
    else if (sqlite3_exec(reader->db, "BEGIN; SELECT 1 FROM meta LIMIT 1", NULL, NULL, NULL) != SQLITE_OK)
        status = sqlite_failed(reader->db, "reading the store to copy it", error);
    else
        status = copy_pages(to, reader->db, options, error);
    if (sqlite3_get_autocommit(reader->db) == 0) sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
    /* The copy is one plain file, readable where nothing can be written beside it; opening it for writing sets WAL. */
    if (status >= 0 && sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
        status = sqlite_failed(to, path, error);
    if (status >= 0 && renew) status = schema_renew(to, error);
    if (sqlite3_close(to) != SQLITE_OK && status >= 0)
        status = varve_error_set(error, VARVE_IO, "%s could not be closed", path);
    return status;
}

/* Flushes the finished copy and gives it its name, which nobody may have taken meanwhile. */
static varve_status publish(const char *partial, const char *path, varve_error *error)
{
    int file = open(partial, O_RDONLY | O_CLOEXEC);
    varve_status status = VARVE_OK;
    if (file < 0 || fsync(file) != 0)
        status = varve_error_set(error, VARVE_IO, "%s cannot be flushed: %s", partial, strerror(errno));
    else if (link(partial, path) != 0)
        status = varve_error_set(error, errno == EEXIST ? VARVE_INVALID : VARVE_IO, "%s cannot be made: %s", path,
                                 strerror(errno));
    if (file >= 0) close(file);
    return status < 0 ? status : sqlite_sync_folder(path, error);
}

/* A journal that is left of an older store is refused too: SQLite would bring back what it says. */
static varve_status check_free(const char *path, varve_error *error)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0] && status >= 0; i++) {
        char *name = NULL;
        if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
            return varve_error_set(error, VARVE_NOMEM, "no memory for a path");
        if (access(name, F_OK) == 0) status = varve_error_set(error, VARVE_INVALID, "%s exists already", name);
        free(name);
    }
    return status;
}

varve_status sqlite_copy(struct store_log *log, const char *path, bool renew, const varve_progress_options *options,
                         varve_error *error)
{
    struct reader *reader = NULL;
    char *partial = NULL;
    varve_status status = check_free(path, error);
    if (status < 0) return status;
    if (asprintf(&partial, "%s.%ld.partial", path, (long)getpid()) < 0)
        return varve_error_set(error, VARVE_NOMEM, "no memory for a path");
    status = reader_take(log, &reader, error);
    if (status >= 0) status = copy_to(reader, partial, renew, options, error);
    if (status >= 0) status = publish(partial, path, error);
    unlink(partial);
    reader_give(log, reader);
    free(partial);
    return status;
}

/* ---- load ---- */

/* An export is only loaded when it is a log: dense positions and versions, times that never decrease. */
static varve_status check_place(struct store_log *log, const varve_event *event, varve_error *error)
{
    struct id_entry stream = { 0 };
    varve_status status = sqlite_look_up_stream(log, event->stream, &stream, error);
    if (status < 0) return status;
    if (event->position != log->head.position + 1)
        return varve_error_set(error, VARVE_INVALID, "position %llu comes after position %llu",
                               (unsigned long long)event->position, (unsigned long long)log->head.position);
    if (event->version != stream.version + 1)
        return varve_error_set(error, VARVE_INVALID,
                               "position %llu has version %llu of a stream that is at version %llu",
                               (unsigned long long)event->position, (unsigned long long)event->version,
                               (unsigned long long)stream.version);
    if (event->recorded_at < log->head.recorded_at)
        return varve_error_set(error, VARVE_INVALID, "position %llu was recorded before the one in front of it",
                               (unsigned long long)event->position);
    return VARVE_OK;
}

static varve_status load_event(struct store_log *log, const varve_event *event, varve_error *error)
{
    varve_status status = check_place(log, event, error);
    if (status < 0) return status;
    status = sqlite_put_event(log, event, error);
    /* Its position and version are new, so it can only be the id that an index refuses. */
    if (status < 0 && (sqlite3_errcode(log->db) & 0xff) == SQLITE_CONSTRAINT)
        return varve_error_set(error, VARVE_INVALID, "the id of the event at position %llu stands twice",
                               (unsigned long long)event->position);
    return status;
}

static varve_status load_events(struct store_log *log, store_next_event next, void *ctx, varve_error *error)
{
    varve_event event;
    if (log->head.position > 0) return varve_error_set(error, VARVE_INVALID, "the store %s is not empty", log->path);
    varve_status status = sqlite_run(log, W_BEGIN, "beginning to import", error);
    while (status >= 0 && (status = next(ctx, &event, error)) == VARVE_OK) status = load_event(log, &event, error);
    if (status >= 0) status = schema_renew(log->db, error);
    if (status >= 0) status = sqlite_run(log, W_COMMIT, "committing the import", error);
    if (status < 0) sqlite_roll_back(log, (struct store_head){ 0 });
    return status;
}

/* Never the lock file: who waits for the lock has it open, and the next one would make and lock another. */
static void remove_files(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *name = NULL;
        if (asprintf(&name, "%s%s", path, suffixes[i]) < 0) return;
        unlink(name);
        free(name);
    }
}

varve_status sqlite_load(const struct store_location *location, store_next_event next, void *ctx, varve_error *error)
{
    struct store_log *log = NULL;
    varve_status status = sqlite_open(&log, location, error);
    if (status < 0) return status;
    status = load_events(log, next, ctx, error);
    if (status < 0 && log->created) remove_files(log->path); /* while the lock is held, so they are nobody else's */
    sqlite_close(log);
    return status;
}

varve_status sqlite_renew(const struct store_location *location, varve_error *error)
{
    struct store_log *log = NULL;
    varve_status status = sqlite_open(&log, location, error);
    if (status >= 0) status = schema_renew(log->db, error);
    sqlite_close(log);
    return status;
}
