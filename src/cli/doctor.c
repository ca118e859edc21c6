/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <varve.h>

#include "cli/local.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "lua/app.h"

enum { FILES_WANTED = 1024 };

/* What was found so far. */
struct findings {
    varve_buf json; /* the checks, with commas between */
    size_t count;
    varve_error first; /* failure */
};

/* Notes one check: "ok", "warning" or "failed". */
static void note(struct findings *findings, const char *check, const char *result, const char *detail)
{
    varve_buf *json = &findings->json;
    varve_buf_printf(json, "%s{\"check\":\"%s\",\"result\":\"%s\",\"detail\":", findings->count++ > 0 ? "," : "", check,
                     result);
    varve_buf_json_string(json, varve_str_of(detail));
    varve_buf_str(json, VARVE_STR("}"));
}

static void note_failure(struct findings *findings, const char *check, const varve_error *failure)
{
    note(findings, check, "failed", failure->message);
    if (findings->first.status == VARVE_OK) {
        findings->first = *failure;
    }
}

static void check_machine(struct findings *findings)
{
    struct rlimit files = { 0 };
    char detail[160];
    note(findings, "program", "ok", "varve " VARVE_VERSION);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_WANTED) {
        note(findings, "open files", "ok", "the limit is high enough");
        return;
    }
    snprintf(detail, sizeof(detail), "at most %llu: a server takes fewer connections; raise it with `ulimit -n %d`",
             (unsigned long long)files.rlim_cur, FILES_WANTED);
    note(findings, "open files", "warning", detail);
}

static void describe_store(struct findings *findings, const varve_store_info *info)
{
    char detail[200];
    snprintf(detail, sizeof(detail), "format %u on %s %s, %" PRIu64 " events in %" PRIu64 " streams",
             info->format_version, info->driver, info->driver_version, info->last_position, info->stream_count);
    note(findings, "store", "ok", detail);
    if (info->reset_bug) {
        note(findings, "database library", "ok",
             "has the WAL-reset bug of SQLite before 3.51.3, which the store's locking keeps from happening");
    }
}

/* Opens the store to read, then for a moment to write, to see whether somebody else has it. */
static void check_store(const struct call *call, struct findings *findings)
{
    varve_store *store = NULL;
    varve_store_info info = { 0 };
    varve_error failure = { 0 };
    varve_status status = local_store_open(&store, call, LOCAL_READ, &failure);
    if (status == VARVE_OK) {
        status = varve_store_get_info(store, &info, &failure);
    }
    varve_store_close(store);
    store = NULL;
    if (status < 0) {
        note_failure(findings, "store", &failure);
        return;
    }
    describe_store(findings, &info);
    status = local_store_open(&store, call, LOCAL_CATCH_UP, &failure);
    varve_store_close(store);
    if (status == VARVE_LOCKED) {
        char detail[80];
        snprintf(detail, sizeof(detail), "in use by process %lld", (long long)failure.detail);
        note(findings, "writing", "ok", detail);
    } else if (status < 0) {
        note_failure(findings, "writing", &failure);
    } else {
        note(findings, "writing", "ok", "nobody else has the store open for writing");
    }
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

/* Loads and starts the application on a store made for this, in a folder that is removed again. */
static void check_app(const struct call *call, struct findings *findings)
{
    const char *base = getenv("TMPDIR");
    varve_buf folder = { 0 };
    varve_buf uri = { 0 };
    struct local local = { 0 };
    varve_error failure = { 0 };
    varve_buf_printf(&folder, "%s/varve-doctor-XXXXXX", base == NULL ? "/tmp" : base);
    if (folder.failed || mkdtemp(folder.ptr) == NULL) {
        varve_error_set(&failure, VARVE_IO, "cannot make a folder to try it in: %s", strerror(errno));
        note_failure(findings, "application", &failure);
        varve_buf_fini(&folder);
        return;
    }
    varve_buf_printf(&uri, "sqlite:%s/check.db", folder.ptr);
    struct call trial = *call;
    trial.store = uri.ptr;
    varve_status status = uri.failed ? varve_error_set(&failure, VARVE_NOMEM, "out of memory")
                                     : local_open(&local, &trial, LOCAL_WRITE, &failure);
    local_close(&local);
    if (status < 0) {
        note_failure(findings, "application", &failure);
    } else {
        note(findings, "application", "ok", call->app);
    }
    nftw(folder.ptr, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    varve_buf_fini(&uri);
    varve_buf_fini(&folder);
}

static void check_server(const struct call *call, struct findings *findings)
{
    varve_buf answer = { 0 };
    varve_buf version = { 0 };
    varve_error failure = { 0 };
    varve_status status =
        remote_ask(call->server, VARVE_STR("/health/ready"), NULL, (varve_str){ 0 }, &answer, &failure);
    if (status == VARVE_OK) {
        status = remote_ask(call->server, VARVE_STR("/version"), NULL, (varve_str){ 0 }, &answer, &failure);
    }
    if (status == VARVE_OK && varve_json_string(varve_buf_view(&answer), "version", &version, NULL) != VARVE_OK) {
        status = varve_error_set(&failure, VARVE_UNAVAILABLE, "%s does not answer as varve does", call->server);
    }
    if (status < 0) {
        note_failure(findings, "server", &failure);
    } else {
        varve_buf detail = { 0 };
        varve_buf_printf(&detail, "ready, varve %s", version.ptr);
        note(findings, "server", "ok", detail.failed ? "ready" : detail.ptr);
        varve_buf_fini(&detail);
    }
    varve_buf_fini(&version);
    varve_buf_fini(&answer);
}

varve_status run_doctor(struct call *call, varve_error *error)
{
    static const char *const columns[] = { "check", "result", "detail", NULL };
    struct findings findings = { 0 };
    varve_buf json = { 0 };
    check_machine(&findings);
    if (call->store != NULL) {
        check_store(call, &findings);
    }
    if (call->app != NULL) {
        check_app(call, &findings);
    }
    if (call->server != NULL) {
        check_server(call, &findings);
    }
    bool ok = findings.first.status == VARVE_OK;
    varve_buf_printf(&json, "{\"ok\":%s,\"checks\":[", ok ? "true" : "false");
    varve_buf_str(&json, varve_buf_view(&findings.json));
    varve_buf_str(&json, VARVE_STR("]}"));
    varve_status status = json.failed || findings.json.failed
                              ? varve_error_set(error, VARVE_NOMEM, "out of memory")
                              : output_list(&call->output, varve_buf_view(&json), "checks", columns, error);
    if (status == VARVE_OK && !ok) {
        *error = findings.first;
        status = error->status;
    }
    varve_buf_fini(&findings.json);
    varve_buf_fini(&json);
    return status;
}
