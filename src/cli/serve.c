/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's life: signals are blocked before any thread starts, so that only sigwait sees them.
 *
 *   store opened → application checked → workers started → port opened → "listening on …"
 *   SIGTERM or SIGINT → port closed, requests answered → workers stopped, store closed → exit 0
 *
 * A second SIGTERM or SIGINT does not wait for that: it ends the process, which loses nothing that
 * was acknowledged.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "cli/verbs.h"
#include "lua/app.h"
#include "server/server.h"

enum { REBUILDS_MAX = 64 };

static const char default_store[] = "sqlite:varve.db";

/* One line a message (logfmt). `ctx` is the call. */
static void log_line_out(void *ctx, varve_log_level level, const char *line)
{
    static const char *const words[] = {
        [VARVE_LOG_DEBUG] = "debug",
        [VARVE_LOG_INFO] = "info",
        [VARVE_LOG_WARNING] = "warning",
        [VARVE_LOG_ERROR] = "error",
    };
    const struct call *call = ctx;
    if (level == VARVE_LOG_DEBUG || (call->quiet && level == VARVE_LOG_INFO)) {
        return;
    }
    char time[VARVE_TIME_TEXT_BYTES];
    varve_buf text = { 0 };
    varve_time_format(varve_time_now(), time);
    varve_buf_printf(&text, "time=%s level=%s msg=", time, words[level]);
    varve_buf_json_string(&text, varve_str_of(line));
    fprintf(stderr, "%s\n", text.failed ? line : text.ptr);
    varve_buf_fini(&text);
}

static void block_signals(sigset_t *waited, sigset_t *before)
{
    sigemptyset(waited);
    sigaddset(waited, SIGTERM);
    sigaddset(waited, SIGINT);
    sigaddset(waited, SIGHUP);
    pthread_sigmask(SIG_BLOCK, waited, before);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL); /* a client that goes away is an error on its socket and nothing more */
}

/* A process may raise what it is given as a default up to what it is allowed; every connection takes a descriptor. */
static void raise_file_limit(void)
{
    struct rlimit files = { 0 };
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Comes back when the process is asked to end. */
static void wait_for_end(struct call *call, const sigset_t *waited)
{
    for (;;) {
        int number = 0;
        int failed = sigwait(waited, &number);
        if (failed == 0 && number != SIGHUP) {
            return;
        }
        if (failed == 0) {
            log_line_out(call, VARVE_LOG_WARNING, "SIGHUP: reloading is not built yet; restart to reload");
        }
    }
}

varve_status run_serve(struct call *call, varve_error *error)
{
    varve_engine *engine = NULL;
    struct app *app = NULL;
    struct server *server = NULL;
    sigset_t waited;
    sigset_t before;
    varve_engine_options options = { .store = call->store == NULL ? default_store : call->store,
                                     .allow_private_addresses =
                                         call_option(call, OPTION_ALLOW_PRIVATE_ADDRESSES) != NULL,
                                     .log = log_line_out,
                                     .log_ctx = call };
    uint64_t rebuilds = 0;
    varve_status status = call_number(call, OPTION_REBUILDS, &rebuilds, error);
    if (status >= 0 && rebuilds > REBUILDS_MAX) {
        status = varve_error_set(error, VARVE_INVALID, "--rebuilds is at most %d", REBUILDS_MAX);
    }
    if (status < 0) {
        return status;
    }
    options.rebuilds = (uint32_t)rebuilds;
    raise_file_limit();
    block_signals(&waited, &before);
    status = varve_engine_open(&engine, &options, error);
    if (status == VARVE_OK) {
        status = app_open(&app, engine, call->arguments[0], error);
    }
    if (status == VARVE_OK) {
        status = varve_engine_start(engine, error);
    }
    if (status == VARVE_OK) {
        struct server_options server_options = {
            .engine = engine, .listen = call_option(call, OPTION_LISTEN), .log = log_line_out, .log_ctx = call
        };
        status = server_open(&server, &server_options, error);
    }
    if (status == VARVE_OK) {
        fprintf(stderr, "listening on http://%s\n", server_address(server));
        wait_for_end(call, &waited);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (server != NULL) varve_engine_stop_enriching(engine); /* what is under way is answered first, and now soon */
    server_close(server);
    varve_engine_close(engine);
    app_close(app);
    return status;
}
