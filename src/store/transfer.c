/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole stores in and out: backups, and the log as text.
 *
 * An export is lines of JSON: {"varve_export":1,"events":N}, then N events as
 * event_write_line writes them, then {"end":N,"crc32c":"xxxxxxxx"} over the bytes of the event lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "event/codec.h"
#include "event/read_json.h"
#include "store/handle.h"

enum { EXPORT_FORMAT = 1, LINE_BYTES_MAX = 8 << 20, BLOCK_BYTES = 16 << 10, PROGRESS_EVERY = 1000 };

static void tell(const varve_progress_options *options, uint64_t done, uint64_t total)
{
    if (options != NULL && options->progress != NULL) options->progress(options->ctx, done, total);
}

/* ---- export ---- */

static varve_status put_line(FILE *out, const varve_buf *line, varve_error *error)
{
    if (line->failed) return varve_error_set(error, VARVE_NOMEM, "no memory for an exported event");
    if (fwrite(line->ptr, 1, line->len, out) == line->len) return VARVE_OK;
    return varve_error_set(error, errno == ENOSPC ? VARVE_FULL : VARVE_IO, "the export cannot be written: %s",
                           strerror(errno));
}

static varve_status export_events(varve_cursor *cursor, FILE *out, const varve_progress_options *options,
                                  uint64_t total, uint64_t *events, varve_error *error)
{
    varve_buf line = { 0 };
    const varve_event *event = NULL;
    uint32_t crc = 0;
    varve_buf_printf(&line, "{\"varve_export\":%d,\"events\":%" PRIu64 "}\n", EXPORT_FORMAT, total);
    varve_status status = put_line(out, &line, error);
    while (cursor != NULL && status >= 0 && (status = varve_cursor_next(cursor, &event, error)) == VARVE_OK) {
        varve_buf_reset(&line);
        event_write_line(event, &line);
        status = put_line(out, &line, error);
        if (status >= 0) crc = crc32c(crc, line.ptr, line.len);
        if (++*events % PROGRESS_EVERY == 0) tell(options, *events, total);
    }
    if (status >= 0) {
        varve_buf_reset(&line);
        varve_buf_printf(&line, "{\"end\":%" PRIu64 ",\"crc32c\":\"%08" PRIx32 "\"}\n", *events, crc);
        status = put_line(out, &line, error);
    }
    varve_buf_fini(&line);
    return status < 0 ? status : VARVE_OK;
}

varve_status varve_store_export(varve_store *store, FILE *out, const varve_progress_options *options, uint64_t *events,
                                varve_error *error)
{
    uint64_t head = 0;
    varve_cursor *cursor = NULL;
    *events = 0;
    varve_status status = varve_store_head(store, &head, error);
    if (status >= 0) {
        const varve_read_options read = { .until_position = head, .limit = head };
        if (head > 0) status = varve_cursor_open(&cursor, store, &read, error);
    }
    if (status >= 0) status = export_events(cursor, out, options, head, events, error);
    if (status >= 0 && *events != head)
        status = varve_error_set(error, VARVE_CORRUPT, "the log has %" PRIu64 " events up to position %" PRIu64,
                                 *events, head);
    varve_cursor_close(cursor);
    return status;
}

/* ---- import ---- */

struct import {
    FILE *in;
    const varve_progress_options *options;
    char block[BLOCK_BYTES]; /* what was read ahead: block[next] to block[end - 1] */
    size_t next, end;
    varve_buf line;
    uint64_t line_number;
    struct arena memory;
    bool given;     /* the event of this line is with the driver */
    uint64_t total; /* events that the first line promises */
    uint64_t done;
    uint32_t crc;
};

static varve_status damaged(const struct import *import, const char *what, varve_error *error)
{
    return varve_error_set(error, VARVE_CORRUPT, "line %" PRIu64 " of the export: %s", import->line_number, what);
}

/* Makes sure that there is something in the block; false at the end of the file, or when it cannot be read. */
static bool fill_block(struct import *import)
{
    if (import->next < import->end) return true;
    import->next = 0;
    import->end = fread(import->block, 1, sizeof import->block, import->in);
    return import->end > 0;
}

/* The next line without its end; `*ended` when there is none. */
static varve_status get_line(struct import *import, bool *ended, varve_error *error)
{
    bool whole = false;
    varve_buf_reset(&import->line);
    import->line_number++;
    while (!whole && fill_block(import)) {
        const char *from = import->block + import->next;
        const char *end = memchr(from, '\n', import->end - import->next);
        whole = end != NULL;
        size_t len = whole ? (size_t)(end - from) : import->end - import->next;
        if (import->line.len + len > LINE_BYTES_MAX) return damaged(import, "longer than any event can be", error);
        varve_buf_add(&import->line, from, len);
        if (import->line.failed) return varve_error_set(error, VARVE_NOMEM, "no memory for a line of the export");
        import->next += whole ? len + 1 : len;
    }
    if (!whole && ferror(import->in))
        return varve_error_set(error, VARVE_IO, "the export cannot be read: %s", strerror(errno));
    if (!whole && import->line.len > 0) return damaged(import, "it ends in the middle", error);
    *ended = !whole;
    return VARVE_OK;
}

static varve_status read_header(struct import *import, varve_error *error)
{
    bool ended = false;
    int64_t format = 0, events = -1;
    varve_status status = get_line(import, &ended, error);
    if (status < 0) return status;
    varve_str line = varve_buf_view(&import->line);
    if (ended || varve_json_int(line, "varve_export", &format, NULL) < 0 ||
        varve_json_int(line, "events", &events, NULL) < 0 || events < 0)
        return damaged(import, "this is no varve export", error);
    if (format != EXPORT_FORMAT)
        return varve_error_set(error, VARVE_INCOMPATIBLE,
                               "the export has format %" PRId64 " and this varve knows format %d", format,
                               EXPORT_FORMAT);
    import->total = (uint64_t)events;
    return VARVE_OK;
}

/* The closing line and nothing after it. */
static varve_status read_end(struct import *import, varve_error *error)
{
    bool ended = false;
    int64_t events = -1;
    char crc[9];
    varve_buf stated = { 0 };
    varve_status status = get_line(import, &ended, error);
    if (status < 0) return status;
    if (ended) return damaged(import, "the closing line is missing: the export is not whole", error);
    snprintf(crc, sizeof crc, "%08" PRIx32, import->crc);
    varve_str line = varve_buf_view(&import->line);
    bool fits = varve_json_int(line, "end", &events, NULL) >= 0 && (uint64_t)events == import->done &&
                varve_json_string(line, "crc32c", &stated, NULL) >= 0 && varve_str_is(varve_buf_view(&stated), crc);
    varve_buf_fini(&stated);
    if (!fits) return damaged(import, "its checksum or count does not fit the events before it", error);
    status = get_line(import, &ended, error);
    if (status >= 0 && !ended) status = damaged(import, "there is more after the closing line", error);
    return status < 0 ? status : VARVE_DONE;
}

static varve_status read_event(struct import *import, varve_event *event, varve_error *error)
{
    bool ended = false;
    varve_error problem = { 0 };
    varve_status status = get_line(import, &ended, error);
    if (status < 0) return status;
    if (ended) return damaged(import, "the export ends before its last event", error);
    import->crc = crc32c(crc32c(import->crc, import->line.ptr, import->line.len), "\n", 1);

    arena_reset(&import->memory);
    struct event_reader reader = { .memory = &import->memory, .recorded = true, .error = &problem };
    json_start_around(&reader.scanner, varve_buf_view(&import->line));
    status = event_read_json(&reader, event);
    if (status >= 0) status = event_complete(event, 0, 1, &problem);
    if (status < 0) return damaged(import, problem.message, error);
    if (varve_uuid_is_nil(event->id) || event->recorded_at == 0 || event->occurred_at == 0)
        return damaged(import, "the event has no id or no times", error);
    return VARVE_OK;
}

static varve_status next_event(void *ctx, varve_event *event, varve_error *error)
{
    struct import *import = ctx;
    import->given = false;
    if (import->done == import->total) return read_end(import, error);
    varve_status status = read_event(import, event, error);
    if (status < 0) return status;
    if (++import->done % PROGRESS_EVERY == 0) tell(import->options, import->done, import->total);
    import->given = true;
    return VARVE_OK;
}

static const struct store_location new_store = { .checkpoint_pages = 1000 };

varve_status store_import(const struct store_driver *driver, const char *path, FILE *in,
                          const varve_progress_options *options, uint64_t *events, varve_error *error)
{
    struct import import = { .in = in, .options = options };
    struct store_location location = new_store;
    location.path = path;
    *events = 0;
    varve_status status = read_header(&import, error);
    if (status >= 0) status = driver->load(&location, next_event, &import, error);
    if (status < 0 && import.given && error != NULL)
        varve_error_set(error, status, "line %" PRIu64 " of the export: %s", import.line_number, error->message);
    if (status >= 0) *events = import.done;
    varve_buf_fini(&import.line);
    arena_fini(&import.memory);
    return status < 0 ? status : VARVE_OK;
}

/* ---- copies ---- */

static varve_status flush_file(FILE *out, const char *path, varve_error *error)
{
    if (fflush(out) == 0 && fsync(fileno(out)) == 0) return VARVE_OK;
    return varve_error_set(error, errno == ENOSPC ? VARVE_FULL : VARVE_IO, "%s cannot be written: %s", path,
                           strerror(errno));
}

static varve_status flush_folder(const char *path, varve_error *error)
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

/* A backup of a store that is no file: an export, written beside its place and given its name when it is whole. */
static varve_status export_to(varve_store *store, const char *path, const varve_progress_options *options,
                              varve_error *error)
{
    char *part = NULL;
    uint64_t events = 0;
    if (access(path, F_OK) == 0) return varve_error_set(error, VARVE_INVALID, "%s exists already", path);
    if (asprintf(&part, "%s.part", path) < 0) return varve_error_set(error, VARVE_NOMEM, "no memory for a path");
    FILE *out = fopen(part, "wex");
    if (out == NULL) {
        varve_status status =
            varve_error_set(error, errno == EEXIST ? VARVE_INVALID : VARVE_IO, "%s: %s", part, strerror(errno));
        free(part);
        return status;
    }
    varve_status status = varve_store_export(store, out, options, &events, error);
    if (status >= 0) status = flush_file(out, path, error);
    if (fclose(out) != 0 && status >= 0)
        status = varve_error_set(error, VARVE_IO, "%s cannot be written: %s", path, strerror(errno));
    if (status >= 0 && link(part, path) != 0) /* unlike rename, it never replaces what is there by now */
        status = varve_error_set(error, errno == EEXIST ? VARVE_INVALID : VARVE_IO, "%s: %s", path, strerror(errno));
    unlink(part);
    if (status >= 0) status = flush_folder(path, error);
    free(part);
    return status;
}

varve_status varve_store_backup(varve_store *store, const char *path, const varve_progress_options *options,
                                varve_error *error)
{
    if (store->driver->copy == NULL) return export_to(store, path, options, error);
    return store->driver->copy(store->log, path, false, options, error);
}

static varve_status restore_file(const struct store_driver *driver, const char *path, const char *backup,
                                 const varve_progress_options *options, varve_error *error)
{
    struct store_log *log = NULL;
    uint64_t events = 0;
    struct store_location location = new_store;
    location.path = backup;
    location.read_only = location.must_exist = true;
    varve_status status = driver->open(&log, &location, error);
    if (status >= 0) status = driver->verify(log, NULL, &events, error);
    if (status >= 0) status = driver->copy(log, path, true, options, error);
    driver->close(log);
    return status;
}

varve_status store_restore(const struct store_driver *driver, const char *path, const char *backup,
                           const varve_progress_options *options, varve_error *error)
{
    uint64_t events = 0;
    if (driver->copy != NULL) return restore_file(driver, path, backup, options, error);
    FILE *in = fopen(backup, "re");
    if (in == NULL)
        return varve_error_set(error, errno == ENOENT ? VARVE_NOT_FOUND : VARVE_IO, "%s: %s", backup, strerror(errno));
    varve_status status = store_import(driver, path, in, options, &events, error);
    fclose(in);
    return status;
}

varve_status store_new_incarnation(const struct store_driver *driver, const char *path, varve_error *error)
{
    struct store_location location = new_store;
    location.path = path;
    location.must_exist = true;
    return driver->renew(&location, error);
}
