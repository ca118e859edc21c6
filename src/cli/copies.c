/* SPDX-License-Identifier: Apache-2.0 */
/* Whole stores in and out: backup and restore, export and import, a new incarnation. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/local.h"
#include "cli/progress.h"
#include "cli/store.h"
#include "cli/verbs.h"

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    progress_update(ctx, done, total);
}

/* Says in a line what the readers of a store with a new history will notice. */
static varve_status print_renewed(const struct call *call, varve_error *error)
{
    varve_status status = store_print_info(call, error);
    if (status == VARVE_OK && !call->quiet) {
        fprintf(stderr, "the store has a new incarnation: its read models are rebuilt when they are next used, and\n"
                        "readers that kept a position are told that the history has changed\n");
    }
    return status;
}

/* ---- backup and restore ---- */

varve_status run_store_backup(struct call *call, varve_error *error)
{
    const char *path = call->arguments[0];
    struct progress progress;
    const varve_progress_options options = { .progress = show_progress, .ctx = &progress };
    varve_store *store = NULL;
    varve_store_info info = { 0 };
    struct stat file = { 0 };
    varve_buf json = { 0 };
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = varve_store_get_info(store, &info, error);
    }
    if (status == VARVE_OK) {
        progress_init(&progress, "copying pages", call->quiet);
        status = varve_store_backup(store, path, &options, error);
        progress_fini(&progress);
    }
    varve_store_close(store);
    if (status == VARVE_OK && stat(path, &file) != 0) {
        status = varve_error_set(error, VARVE_IO, "%s was written and is gone: %s", path, strerror(errno));
    }
    if (status == VARVE_OK) {
        varve_buf_str(&json, VARVE_STR("{\"backup\":"));
        varve_buf_json_string(&json, varve_str_of(path));
        varve_buf_printf(&json, ",\"incarnation\":\"%s\",\"file_bytes\":%" PRIu64 "}", info.incarnation,
                         (uint64_t)file.st_size);
        status = json.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory")
                             : output_document(&call->output, varve_buf_view(&json), error);
    }
    varve_buf_fini(&json);
    return status;
}

varve_status run_store_restore(struct call *call, varve_error *error)
{
    struct progress progress;
    const varve_progress_options options = { .progress = show_progress, .ctx = &progress };
    progress_init(&progress, "copying pages", call->quiet);
    varve_status status = varve_store_restore(call->store, call->arguments[0], &options, error);
    progress_fini(&progress);
    return status == VARVE_OK ? print_renewed(call, error) : status;
}

varve_status run_store_new_incarnation(struct call *call, varve_error *error)
{
    varve_status status = local_explain_lock(varve_store_new_incarnation(call->store, error), error);
    return status == VARVE_OK ? print_renewed(call, error) : status;
}

/* ---- export ---- */

/* Writes the log to `out` and flushes it down to the operating system. */
static varve_status write_export(const struct call *call, FILE *out, uint64_t *events, varve_error *error)
{
    struct progress progress;
    const varve_progress_options options = { .progress = show_progress, .ctx = &progress };
    varve_store *store = NULL;
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        progress_init(&progress, "exporting", call->quiet);
        status = varve_store_export(store, out, &options, events, error);
        progress_fini(&progress);
    }
    if (status == VARVE_OK && fflush(out) != 0) {
        status = varve_error_set(error, errno == ENOSPC ? VARVE_FULL : VARVE_IO, "the export cannot be written: %s",
                                 strerror(errno));
    }
    varve_store_close(store);
    return status;
}

static varve_status failed(const char *path, varve_error *error)
{
    varve_status status = errno == EEXIST ? VARVE_INVALID : errno == ENOSPC ? VARVE_FULL : VARVE_IO;
    return varve_error_set(error, status, "%s cannot be written: %s", path, strerror(errno));
}

/* Makes a name in a folder durable. */
static varve_status flush_folder(const char *path, varve_error *error)
{
    char *copy = strdup(path);
    int folder = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    varve_status status = folder < 0 || fsync(folder) != 0 ? failed(path, error) : VARVE_OK;
    if (folder >= 0) {
        close(folder);
    }
    free(copy);
    return status;
}

/* Writes under another name, flushes, and only then gives the file its name, which nobody may have. */
static varve_status export_to_file(const struct call *call, const char *path, uint64_t *events, varve_error *error)
{
    char *partial = NULL;
    FILE *out = NULL;
    varve_status status = VARVE_OK;
    if (access(path, F_OK) == 0) {
        return varve_error_set(error, VARVE_INVALID, "%s exists already", path);
    }
    if (asprintf(&partial, "%s.%ld.partial", path, (long)getpid()) < 0) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    out = fopen(partial, "wxe");
    if (out == NULL) {
        status = failed(partial, error);
        free(partial);
        return status;
    }
    status = write_export(call, out, events, error);
    if (status == VARVE_OK && fsync(fileno(out)) != 0) {
        status = failed(partial, error);
    }
    if (fclose(out) != 0 && status == VARVE_OK) {
        status = failed(partial, error);
    }
    /* A link, unlike a rename, never replaces a file that came meanwhile. */
    if (status == VARVE_OK && link(partial, path) != 0) {
        status = failed(path, error);
    }
    unlink(partial);
    free(partial);
    return status == VARVE_OK ? flush_folder(path, error) : status;
}

varve_status run_store_export(struct call *call, varve_error *error)
{
    const char *path = call->argument_count > 0 ? call->arguments[0] : "-";
    bool streams = strcmp(path, "-") == 0;
    uint64_t events = 0;
    varve_buf json = { 0 };
    varve_status status =
        streams ? write_export(call, stdout, &events, error) : export_to_file(call, path, &events, error);
    if (status == VARVE_OK && streams && !call->quiet) {
        fprintf(stderr, "%" PRIu64 " events exported\n", events);
    } else if (status == VARVE_OK && !streams) {
        varve_buf_str(&json, VARVE_STR("{\"export\":"));
        varve_buf_json_string(&json, varve_str_of(path));
        varve_buf_printf(&json, ",\"events\":%" PRIu64 "}", events);
        status = json.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory")
                             : output_document(&call->output, varve_buf_view(&json), error);
    }
    varve_buf_fini(&json);
    return status;
}

/* ---- import ---- */

varve_status run_store_import(struct call *call, varve_error *error)
{
    const char *path = call->argument_count > 0 ? call->arguments[0] : "-";
    bool streams = strcmp(path, "-") == 0;
    struct progress progress;
    const varve_progress_options options = { .progress = show_progress, .ctx = &progress };
    uint64_t events = 0;
    FILE *in = streams ? stdin : fopen(path, "re");
    if (in == NULL) {
        return varve_error_set(error, errno == ENOENT ? VARVE_NOT_FOUND : VARVE_IO, "cannot read %s: %s", path,
                               strerror(errno));
    }
    progress_init(&progress, "importing", call->quiet);
    varve_status status = varve_store_import(call->store, in, &options, &events, error);
    progress_fini(&progress);
    if (!streams) {
        fclose(in);
    }
    return status == VARVE_OK ? print_renewed(call, error) : local_explain_lock(status, error);
}
