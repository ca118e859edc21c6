/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <varve.h>

#include "cli/local.h"
#include "cli/pages.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "lua/app.h"

enum { FILES_WANTED = 4096, DISK_WANTED_MIB = 64 };

/* What was found so far. */
struct findings {
    varve_buf json; /* the checks, with commas between */
    size_t count;
    size_t failed;
    varve_error first; /* failure */
};

/* Notes one check: "ok", "warning" or "failed". */
static void note(struct findings *findings, const char *check, const char *result, const char *format, ...)
    VARVE_PRINTF(4, 5);

static void note(struct findings *findings, const char *check, const char *result, const char *format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    varve_buf *json = &findings->json;
    varve_buf_str(json, findings->count++ > 0 ? VARVE_STR(",{\"check\":") : VARVE_STR("{\"check\":"));
    varve_buf_json_string(json, varve_str_of(check));
    varve_buf_printf(json, ",\"result\":\"%s\",\"detail\":", result);
    varve_buf_json_string(json, varve_str_of(detail));
    varve_buf_str(json, VARVE_STR("}"));
}

static void note_failure(struct findings *findings, const char *check, const varve_error *failure)
{
    note(findings, check, "failed", "%s", failure->message);
    if (findings->failed++ == 0) {
        findings->first = *failure;
    }
}

static void check_machine(struct findings *findings)
{
    struct rlimit files = { 0 };
    note(findings, "program", "ok", "varve " VARVE_VERSION);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max >= FILES_WANTED) {
        note(findings, "open files", "ok", "the limit is high enough");
        return;
    }
    note(findings, "open files", "warning",
         "at most %llu: a server takes fewer connections; raise it with `ulimit -Hn %d`",
         (unsigned long long)files.rlim_max, FILES_WANTED);
}

/* ---- the store ---- */

static void check_library(struct findings *findings, const varve_store_info *info)
{
    bool sqlite = strcmp(info->driver, "sqlite") == 0;
    note(findings, sqlite ? "database library" : "database server", "ok", "%s %s%s", info->driver, info->driver_version,
         info->reset_bug
             ? ", with the WAL-reset bug of SQLite before 3.51.3, which the store's locking keeps from happening"
         : sqlite ? ", with the WAL-reset bug fixed"
                  : "");
}

/* A store never lets its time go back: until the clock has caught up, events are recorded at the last one's. */
static void check_clock(struct findings *findings, const varve_store_info *info)
{
    varve_time now = varve_time_now();
    char text[VARVE_TIME_TEXT_BYTES];
    if (info->last_recorded_at <= now) {
        note(findings, "clock", "ok", "not behind the log");
        return;
    }
    varve_time_format(info->last_recorded_at, text);
    note(findings, "clock", "warning", "the last event was recorded at %s, %" PRId64 " s ahead of this machine's clock",
         text, (info->last_recorded_at - now) / 1000000);
}

/* Room for a while, and for a copy of the store. */
static void check_disk(struct findings *findings, const char *uri, const varve_store_info *info)
{
    struct statvfs disk = { 0 };
    const char *colon = strchr(uri, ':');
    char *path = strdup(colon == NULL ? uri : colon + 1);
    const char *folder = path == NULL ? NULL : dirname(path);
    if (strcmp(info->driver, "sqlite") != 0) { /* the server's disk is not seen from here */
        note(findings, "disk", "ok", "the store takes %" PRIu64 " MiB on its server", (info->file_bytes >> 20) + 1);
        free(path);
        return;
    }
    if (folder == NULL || statvfs(folder, &disk) != 0) {
        note(findings, "disk", "warning", "how much is free cannot be learnt: %s", strerror(errno));
        free(path);
        return;
    }
    uint64_t free_mib = (uint64_t)disk.f_bavail * disk.f_frsize >> 20;
    uint64_t store_mib = ((info->file_bytes + info->log_file_bytes) >> 20) + 1;
    bool enough = free_mib >= DISK_WANTED_MIB && free_mib >= store_mib;
    note(findings, "disk", enough ? "ok" : "warning",
         "%" PRIu64 " MiB free in the folder %s; the store takes %" PRIu64 " MiB", free_mib, folder, store_mib);
    free(path);
}

/* Opens the store for a moment to write, to see whether somebody else has it. */
static void check_writing(const struct call *call, const varve_store_info *info, struct findings *findings)
{
    const char *free_to_write = strcmp(info->driver, "sqlite") == 0 ? "nobody else has the store open for writing"
                                                                    : "possible, also for several processes at once";
    varve_store *store = NULL;
    varve_error failure = { 0 };
    varve_status status = local_store_open(&store, call, LOCAL_CATCH_UP, &failure);
    varve_store_close(store);
    if (status == VARVE_LOCKED) {
        note(findings, "writing", "ok", "in use by process %lld", (long long)failure.detail);
    } else if (status < 0) {
        note_failure(findings, "writing", &failure);
    } else {
        note(findings, "writing", "ok", "%s", free_to_write);
    }
}

/* False when the store cannot be looked at, let alone its read models. */
static bool check_store(const struct call *call, struct findings *findings)
{
    varve_store *store = NULL;
    varve_store_info info = { 0 };
    varve_error failure = { 0 };
    varve_status status = local_store_open(&store, call, LOCAL_READ, &failure);
    if (status == VARVE_OK) {
        status = varve_store_get_info(store, &info, &failure);
    }
    varve_store_close(store);
    if (status < 0) {
        note_failure(findings, "store", &failure);
        return false;
    }
    note(findings, "store", "ok", "format %u, %" PRIu64 " events in %" PRIu64 " streams, incarnation %s",
         info.format_version, info.last_position, info.stream_count, info.incarnation);
    check_library(findings, &info);
    check_clock(findings, &info);
    check_disk(findings, call->store, &info);
    check_writing(call, &info, findings);
    return true;
}

static void note_model(void *ctx, const varve_projection_status *status)
{
    struct findings *findings = ctx;
    varve_buf check = { 0 };
    varve_buf_printf(&check, "read model %.*s", (int)status->name.len, status->name.ptr);
    const char *name = check.failed ? "read model" : check.ptr;
    if (status->problem.len > 0) {
        note(findings, name, "warning", "%.*s", (int)status->problem.len, status->problem.ptr);
    } else if (status->parked > 0) {
        note(findings, name, "warning", "%" PRIu64 " events could not be applied and are parked", status->parked);
    } else {
        note(findings, name, "ok", "at position %" PRIu64 " of %" PRIu64, status->position, status->head);
    }
    varve_buf_fini(&check);
}

/* Whether what the read models' files say of themselves fits the log. Nothing is brought up to date. */
static void check_models(const struct call *call, struct findings *findings)
{
    struct local local = { 0 };
    varve_error failure = { 0 };
    varve_status status = local_open(&local, call, LOCAL_READ, &failure);
    if (status == VARVE_OK) {
        status = varve_projection_list(local.engine, (varve_str){ 0 }, note_model, findings, &failure);
    }
    if (status < 0) {
        note_failure(findings, "read models", &failure);
    }
    local_close(&local);
}

/* ---- the application ---- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

/* Makes a folder to try things in; its path is appended to `folder`, and remove_folder ends it. */
static bool make_folder(varve_buf *folder, struct findings *findings)
{
    const char *base = getenv("TMPDIR");
    varve_error failure = { 0 };
    varve_buf_printf(folder, "%s/varve-doctor-XXXXXX", base == NULL ? "/tmp" : base);
    if (!folder->failed && mkdtemp(folder->ptr) != NULL) {
        return true;
    }
    varve_error_set(&failure, VARVE_IO, "cannot make a folder to try it in: %s", strerror(errno));
    note_failure(findings, "scratch folder", &failure);
    return false;
}

/*
 * Loads and starts the application on a store made for this, in a folder that is removed again. Without an
 * application just the store, to learn about the database's library when no other store has told. False when the
 * application has mistakes.
 */
static bool try_out(const struct call *call, bool library, struct findings *findings)
{
    varve_buf folder = { 0 };
    varve_buf uri = { 0 };
    struct local local = { 0 };
    varve_store *store = NULL;
    varve_store_info info = { 0 };
    varve_error failure = { 0 };
    varve_status status = VARVE_OK;
    if (!make_folder(&folder, findings)) {
        varve_buf_fini(&folder);
        return false;
    }
    varve_buf_printf(&uri, "sqlite:%s/check.db", folder.ptr);
    struct call trial = *call;
    trial.store = uri.failed ? "" : uri.ptr;
    if (library) {
        status = local_store_open(&store, &trial, LOCAL_WRITE, &failure);
        if (status == VARVE_OK && varve_store_get_info(store, &info, &failure) == VARVE_OK) {
            check_library(findings, &info);
        }
        varve_store_close(store);
    }
    if (status == VARVE_OK && call->app != NULL) {
        status = local_open(&local, &trial, LOCAL_WRITE, &failure);
        local_close(&local);
    }
    if (status < 0) {
        note_failure(findings, call->app != NULL ? "application" : "database library", &failure);
    } else if (call->app != NULL) {
        note(findings, "application", "ok", "%s", call->app);
    }
    nftw(folder.ptr, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    varve_buf_fini(&uri);
    varve_buf_fini(&folder);
    return status >= 0;
}

/* ---- the server ---- */

/* One of the server's projections. */
static varve_status note_projection(void *ctx, varve_str item, varve_error *error)
{
    struct findings *findings = ctx;
    varve_error failure = { 0 };
    varve_buf check = { 0 };
    varve_buf state = { 0 };
    varve_buf problem = { 0 };
    varve_buf_str(&check, VARVE_STR("read model "));
    varve_json_string(item, "name", &check, NULL);
    varve_json_string(item, "state", &state, NULL);
    varve_json_string(item, "problem", &problem, NULL);
    if (check.failed || state.failed || problem.failed) {
        varve_error_set(error, VARVE_NOMEM, "out of memory");
    } else if (state.len > 0 && strcmp(state.ptr, "faulted") == 0) {
        varve_error_set(&failure, VARVE_APPLICATION, "%s: %s", check.ptr, problem.len > 0 ? problem.ptr : "faulted");
        note_failure(findings, check.ptr, &failure);
    } else if (problem.len == 0 && page_number(item, "parked") > 0) {
        note(findings, check.ptr, "warning", "%" PRIu64 " events could not be applied and are parked",
             page_number(item, "parked"));
    } else {
        note(findings, check.ptr, problem.len > 0 ? "warning" : "ok", "%s, at position %" PRIu64 " of %" PRIu64 "%s%s",
             state.len > 0 ? state.ptr : "unknown", page_number(item, "position"), page_number(item, "head"),
             problem.len > 0 ? ": " : "", problem.len > 0 ? problem.ptr : "");
    }
    bool failed = check.failed || state.failed || problem.failed;
    varve_buf_fini(&problem);
    varve_buf_fini(&state);
    varve_buf_fini(&check);
    return failed ? VARVE_NOMEM : VARVE_OK;
}

static void check_server(const struct call *call, struct findings *findings)
{
    varve_buf answer = { 0 };
    varve_buf version = { 0 };
    varve_buf incarnation = { 0 };
    varve_error failure = { 0 };
    uint64_t count = 0;
    varve_status status =
        remote_ask(call->server, VARVE_STR("/health/ready"), NULL, (varve_str){ 0 }, &answer, &failure);
    if (status == VARVE_OK) {
        status = remote_ask(call->server, VARVE_STR("/version"), NULL, (varve_str){ 0 }, &answer, &failure);
    }
    varve_str document = varve_buf_view(&answer);
    if (status == VARVE_OK && (varve_json_string(document, "version", &version, NULL) != VARVE_OK ||
                               varve_json_string(document, "store.incarnation", &incarnation, NULL) != VARVE_OK)) {
        status = varve_error_set(&failure, VARVE_UNAVAILABLE, "%s does not answer as varve does", call->server);
    }
    if (status == VARVE_OK) {
        note(findings, "server", "ok", "ready, varve %s, incarnation %s", version.ptr, incarnation.ptr);
        status = remote_ask(call->server, VARVE_STR("/projections"), NULL, (varve_str){ 0 }, &answer, &failure);
    }
    if (status == VARVE_OK) {
        status = page_items(varve_buf_view(&answer), "projections", note_projection, findings, &count, &failure);
    }
    if (status < 0) {
        note_failure(findings, "server", &failure);
    }
    varve_buf_fini(&incarnation);
    varve_buf_fini(&version);
    varve_buf_fini(&answer);
}

varve_status run_doctor(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "check", "result", "detail", NULL };
    struct findings findings = { 0 };
    varve_buf json = { 0 };
    check_machine(&findings);
    bool store = call->store != NULL && check_store(call, &findings);
    bool app = call->store != NULL && call->app == NULL ? true : try_out(call, !store, &findings);
    if (store && app && call->app != NULL) {
        check_models(call, &findings);
    }
    if (call->server != NULL) {
        check_server(call, &findings);
    }
    varve_buf_printf(&json, "{\"ok\":%s,\"checks\":[", findings.failed == 0 ? "true" : "false");
    varve_buf_str(&json, varve_buf_view(&findings.json));
    varve_buf_str(&json, VARVE_STR("]}"));
    varve_status status = json.failed || findings.json.failed
                              ? varve_error_set(error, VARVE_NOMEM, "out of memory")
                              : output_list(&call->output, varve_buf_view(&json), "checks", columns, error);
    if (status == VARVE_OK && findings.failed > 0) {
        /* Not the finding's own status: a script asks whether all is well, and the exit code for "no" is 1. */
        status = varve_error_set(error, VARVE_IO, "%zu of %zu checks failed; the first: %s", findings.failed,
                                 findings.count, findings.first.message);
    }
    varve_buf_fini(&findings.json);
    varve_buf_fini(&json);
    return status;
}
