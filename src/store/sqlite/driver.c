/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a store in a SQLite file, its lock, and the pool of readers. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/reader.h"
#include "store/sqlite/record.h"
#include "store/sqlite/upkeep.h"

enum {
    STREAMS_CACHED = 1 << 16,
    TYPES_CACHED = 1 << 10,
    WRITER_CACHE_KIB = 64 << 10,
    WAL_BYTES_KEPT = 32 << 20, /* what the write-ahead log file shrinks to when it starts over */
};

varve_status sqlite_failed(sqlite3 *db, const char *doing, varve_error *error)
{
    int code = db == NULL ? SQLITE_NOMEM : sqlite3_extended_errcode(db);
    const char *message = db == NULL ? "out of memory" : sqlite3_errmsg(db);
    varve_status status = VARVE_IO;
    switch (code & 0xff) {
    case SQLITE_FULL:
        status = VARVE_FULL;
        break;
    case SQLITE_NOMEM:
        status = VARVE_NOMEM;
        break;
    case SQLITE_NOTADB:
        status = VARVE_INCOMPATIBLE;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = VARVE_BUSY;
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        status = VARVE_DENIED;
        break;
    case SQLITE_TOOBIG:
        status = VARVE_TOO_LARGE;
        break;
    case SQLITE_CANTOPEN: /* no descriptor left, or the file is gone */
        status = VARVE_UNAVAILABLE;
        break;
    case SQLITE_IOERR:
    case SQLITE_PROTOCOL:
        break;
    default: /* on tables that are whole our statements fail in no other way */
        status = VARVE_CORRUPT;
        break;
    }
    return varve_error_set(error, status, "%s: %s (SQLite %d)", doing, message, code);
}

/* ---- the lock ---- */

enum { LINKS_FOLLOWED = 16 };

/* "FOLDER OF path/name", or `name` itself when it is absolute. NULL with errno set. */
static char *beside(const char *path, const char *name)
{
    char *copy = strdup(path), *whole = NULL;
    if (copy != NULL &&
        asprintf(&whole, "%s%s%s", name[0] == '/' ? "" : dirname(copy), name[0] == '/' ? "" : "/", name) < 0)
        whole = NULL;
    free(copy);
    return whole;
}

/* The path with symbolic links resolved; the file itself need not exist, and then a link to it is followed all the
 * same: under two names it would have two locks. NULL with errno set. */
static char *resolve(const char *path, int links)
{
    char target[PATH_MAX];
    char *whole = realpath(path, NULL);
    if (whole != NULL || errno != ENOENT) return whole;
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len > 0 && links < LINKS_FOLLOWED) {
        target[len] = '\0';
        char *next = beside(path, target);
        whole = next == NULL ? NULL : resolve(next, links + 1);
        free(next);
        return whole;
    }
    char *copy = strdup(path), *name = strdup(path);
    char *folder = copy == NULL || name == NULL ? NULL : realpath(dirname(copy), NULL);
    if (folder != NULL && asprintf(&whole, "%s/%s", folder, basename(name)) < 0) whole = NULL;
    int failed = errno;
    free(folder);
    free(copy);
    free(name);
    errno = failed;
    return whole;
}

static varve_status locked_elsewhere(int lock, const char *path, varve_error *error)
{
    char text[32] = { 0 };
    ssize_t got = pread(lock, text, sizeof text - 1, 0);
    long holder = got > 0 ? strtol(text, NULL, 10) : 0;
    varve_status status =
        varve_error_set(error, VARVE_LOCKED, "the store %s is open for writing in process %ld", path, holder);
    if (error != NULL) error->detail = holder;
    return status;
}

/* flock, not a POSIX lock: those are lost when any descriptor of the file is closed. */
static varve_status take_lock(struct store_log *log, varve_error *error)
{
    char *name = NULL;
    if (asprintf(&name, "%s.lock", log->path) < 0) return varve_error_set(error, VARVE_NOMEM, "no memory for a path");
    varve_status status = VARVE_OK;
    char text[32];
    log->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (log->lock < 0) {
        status = varve_error_set(error, errno == EACCES || errno == EROFS ? VARVE_DENIED : VARVE_IO,
                                 "the lock file %s cannot be opened: %s", name, strerror(errno));
    } else if (flock(log->lock, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK
                     ? locked_elsewhere(log->lock, log->path, error)
                     : varve_error_set(error, VARVE_IO, "%s cannot be locked: %s", name, strerror(errno));
    } else {
        int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
        if (ftruncate(log->lock, 0) != 0 || pwrite(log->lock, text, (size_t)len, 0) != len)
            status = varve_error_set(error, errno == ENOSPC ? VARVE_FULL : VARVE_IO, "%s cannot be written: %s", name,
                                     strerror(errno));
    }
    free(name);
    return status;
}

varve_status sqlite_sync_folder(const char *path, varve_error *error)
{
    char *copy = strdup(path);
    if (copy == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a path");
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    varve_status status = VARVE_OK;
    if (folder < 0 || fsync(folder) != 0)
        status = varve_error_set(error, VARVE_IO, "the folder of %s cannot be flushed: %s", path, strerror(errno));
    if (folder >= 0) close(folder);
    free(copy);
    return status;
}

/* ---- connections ---- */

static varve_status exec(sqlite3 *db, const char *sql, varve_error *error)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return VARVE_OK;
    return sqlite_failed(db, "opening the store", error);
}

static varve_status connect(const char *path, int flags, sqlite3 **db, varve_error *error)
{
    if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK) {
        varve_status status = sqlite_failed(*db, path, error);
        sqlite3_close(*db);
        *db = NULL;
        return status;
    }
    sqlite3_busy_timeout(*db, BUSY_TIMEOUT_MS);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return VARVE_OK;
}

/* SQLite answers with the mode it has, whether or not it is the one asked for, and commits the change after that. */
static varve_status set_wal(sqlite3 *db, const char *path, varve_error *error)
{
    sqlite3_stmt *row = NULL;
    bool answered = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &row, NULL) == SQLITE_OK &&
                    sqlite3_step(row) == SQLITE_ROW;
    bool is_wal = answered && strcmp((const char *)sqlite3_column_text(row, 0), "wal") == 0;
    varve_status status = VARVE_OK;
    if (!answered || sqlite3_step(row) != SQLITE_DONE)
        status = sqlite_failed(db, "setting the write-ahead log", error);
    else if (!is_wal)
        status = varve_error_set(error, VARVE_UNAVAILABLE, "%s cannot have a write-ahead log where it is", path);
    sqlite3_finalize(row);
    return status;
}

static varve_status connect_writer(struct store_log *log, const struct store_location *location, varve_error *error)
{
    varve_status status = connect(log->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &log->db, error);
    if (status < 0) return status;
    /* Nothing of a file that is not ours may change, so look before setting anything. */
    status = schema_open(log->db, log->path, !location->must_exist, error);
    if (status >= 0) status = set_wal(log->db, log->path, error);
    if (status >= 0)
        status = exec(log->db,
                      location->durability == VARVE_DURABILITY_FULL ? "PRAGMA synchronous = FULL"
                                                                    : "PRAGMA synchronous = NORMAL",
                      error);
    char pragma[128];
    snprintf(pragma, sizeof pragma,
             "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d", WRITER_CACHE_KIB,
             WAL_BYTES_KEPT);
    if (status >= 0) status = exec(log->db, pragma, error);
    if (status >= 0 && log->created) status = sqlite_sync_folder(log->path, error);
    return status;
}

static void reader_close(struct reader *reader)
{
    if (reader == NULL) return;
    for (size_t i = 0; i < R_STATEMENTS; i++) sqlite3_finalize(reader->statements[i]);
    sqlite3_close(reader->db);
    names_fini(&reader->types);
    free(reader);
}

static varve_status reader_open(struct store_log *log, struct reader **out, varve_error *error)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory to read the store");
    varve_status status = connect(log->path, SQLITE_OPEN_READONLY, &reader->db, error);
    if (status < 0) {
        free(reader);
        return status;
    }
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    *out = reader;
    return VARVE_OK;
}

varve_status reader_take(struct store_log *log, struct reader **reader, varve_error *error)
{
    pthread_mutex_lock(&log->mutex);
    *reader = log->idle;
    if (*reader != NULL) {
        log->idle = (*reader)->next;
        log->idle_count--;
    }
    pthread_mutex_unlock(&log->mutex);
    return *reader != NULL ? VARVE_OK : reader_open(log, reader, error);
}

void reader_give(struct store_log *log, struct reader *reader)
{
    if (reader == NULL) return;
    for (size_t i = 0; i < R_STATEMENTS; i++)
        if (reader->statements[i] != NULL) sqlite3_reset(reader->statements[i]);
    pthread_mutex_lock(&log->mutex);
    bool keep = log->idle_count < READERS_KEPT;
    if (keep) {
        reader->next = log->idle;
        log->idle = reader;
        log->idle_count++;
    }
    pthread_mutex_unlock(&log->mutex);
    if (!keep) reader_close(reader);
}

/* ---- the driver ---- */

void sqlite_close(struct store_log *log)
{
    if (log == NULL) return;
    while (log->idle != NULL) {
        struct reader *reader = log->idle;
        log->idle = reader->next;
        reader_close(reader);
    }
    sqlite_finish_writer(log);
    sqlite3_close(log->db);
    ids_fini(&log->streams);
    ids_fini(&log->types);
    varve_buf_fini(&log->scratch);
    if (log->lock >= 0) close(log->lock); /* the file stays: removing it would race with who opens next */
    pthread_mutex_destroy(&log->mutex);
    free(log->path);
    free(log);
}

static varve_status open_for_writing(struct store_log *log, const struct store_location *location, varve_error *error)
{
    varve_status status = take_lock(log, error);
    log->created = status >= 0 && access(log->path, F_OK) != 0;
    if (status >= 0) status = connect_writer(log, location, error);
    if (status >= 0 && (!ids_init(&log->streams, STREAMS_CACHED) || !ids_init(&log->types, TYPES_CACHED)))
        status = varve_error_set(error, VARVE_NOMEM, "no memory for the store's caches");
    if (status >= 0) status = sqlite_prepare_writer(log, error);
    if (status >= 0) status = sqlite_head(log, &log->head, error);
    return status;
}

static varve_status open_for_reading(struct store_log *log, varve_error *error)
{
    struct reader *reader = NULL;
    varve_status status = reader_take(log, &reader, error);
    if (status >= 0) status = schema_open(reader->db, log->path, false, error);
    reader_give(log, reader);
    return status;
}

varve_status sqlite_open(struct store_log **out, const struct store_location *location, varve_error *error)
{
    struct stat file;
    bool exists = stat(location->path, &file) == 0;
    if (!exists && location->must_exist)
        return varve_error_set(error, VARVE_NOT_FOUND, "there is no store at %s", location->path);
    if (exists && !S_ISREG(file.st_mode))
        return varve_error_set(error, VARVE_INCOMPATIBLE, "%s is not a file, so it is no varve store", location->path);
    if (exists && file.st_nlink > 1 && !location->read_only)
        return varve_error_set(error, VARVE_DENIED, "%s has a second name (a hard link), under which it is not locked",
                               location->path);

    struct store_log *log = calloc(1, sizeof *log);
    if (log == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for a store");
    log->lock = -1;
    log->diagnostics = location->log;
    log->checkpoint_pages = (int)location->checkpoint_pages;
    pthread_mutex_init(&log->mutex, NULL);
    log->path = resolve(location->path, 0);
    varve_status status;
    if (log->path == NULL)
        status = varve_error_set(error, errno == ENOMEM ? VARVE_NOMEM : VARVE_NOT_FOUND, "%s: %s", location->path,
                                 strerror(errno));
    else
        status = location->read_only ? open_for_reading(log, error) : open_for_writing(log, location, error);
    if (status < 0) {
        sqlite_close(log);
        return status;
    }
    *out = log;
    return VARVE_OK;
}

const struct store_driver store_sqlite = {
    .scheme = "sqlite",
    .capabilities = STORE_ONE_WRITER | STORE_IN_A_FILE,
    .open = sqlite_open,
    .close = sqlite_close,
    .commit = sqlite_commit,
    .set_inline = sqlite_set_inline,
    .change = sqlite_change,
    .tend = sqlite_tend,
    .records = sqlite_records,
    .head = sqlite_head,
    .read = sqlite_read,
    .find = sqlite_find,
    .stream_version = sqlite_stream_version,
    .streams = sqlite_streams,
    .version_at = sqlite_version_at,
    .snapshot = sqlite_snapshot,
    .incarnation = sqlite_incarnation,
    .info = sqlite_info,
    .verify = sqlite_verify,
    .copy = sqlite_copy,
    .load = sqlite_load,
    .renew = sqlite_renew,
};
