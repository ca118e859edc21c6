/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "cli/local.h"
#include "cli/progress.h"
#include "cli/store.h"
#include "cli/verbs.h"

static void add_time(varve_buf *out, const char *name, varve_time time)
{
    char text[VARVE_TIME_TEXT_BYTES];
    if (time == 0) {
        varve_buf_printf(out, ",\"%s\":null", name);
        return;
    }
    varve_time_format(time, text);
    varve_buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

/* The store's URI without what may be a password in it: "user:…@" and parameters. */
static void write_uri(const char *uri, varve_buf *out)
{
    varve_buf plain = { 0 };
    const char *name = strstr(uri, "://");
    size_t len = strcspn(uri, "?");
    const char *at = name == NULL ? NULL : memrchr(name, '@', (size_t)(uri + len - name));
    const char *colon = at == NULL ? NULL : memchr(name + 3, ':', (size_t)(at - name - 3));
    const char *secret = strstr(uri, "password");
    if (secret != NULL && secret < uri + len) secret = NULL;
    varve_buf_add(&plain, uri, colon != NULL ? (size_t)(colon - uri) : len);
    if (colon != NULL) varve_buf_add(&plain, at, (size_t)(uri + len - at));
    varve_buf_str(&plain, secret == NULL ? varve_str_of(uri + len) : VARVE_STR("?…"));
    varve_buf_json_string(out, varve_buf_view(&plain));
    out->failed = out->failed || plain.failed;
    varve_buf_fini(&plain);
}

static void write_info(const varve_store_info *info, const char *uri, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("{\"store\":"));
    write_uri(uri, out);
    varve_buf_printf(out, ",\"incarnation\":\"%s\",\"driver\":\"%s\",\"driver_version\":\"%s\",\"format_version\":%u",
                     info->incarnation, info->driver, info->driver_version, info->format_version);
    varve_buf_printf(out, ",\"last_position\":%" PRIu64 ",\"stream_count\":%" PRIu64, info->last_position,
                     info->stream_count);
    add_time(out, "created_at", info->created_at);
    add_time(out, "last_recorded_at", info->last_recorded_at);
    varve_buf_printf(out, ",\"file_bytes\":%" PRIu64 ",\"log_file_bytes\":%" PRIu64 ",\"reset_bug\":%s}",
                     info->file_bytes, info->log_file_bytes, info->reset_bug ? "true" : "false");
}

varve_status store_print_info(const struct call *call, varve_error *error)
{
    varve_store *store = NULL;
    varve_store_info info = { 0 };
    varve_buf json = { 0 };
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = varve_store_get_info(store, &info, error);
    }
    if (status == VARVE_OK) {
        write_info(&info, call->store, &json);
        status = json.failed ? varve_error_set(error, VARVE_NOMEM, "out of memory")
                             : output_document(&call->output, varve_buf_view(&json), error);
    }
    varve_buf_fini(&json);
    varve_store_close(store);
    return status;
}

varve_status run_store_init(struct call *call, varve_error *error)
{
    varve_store *store = NULL;
    varve_status status = local_store_open(&store, call, LOCAL_WRITE, error);
    varve_store_close(store);
    return status < 0 ? status : store_print_info(call, error);
}

varve_status run_store_info(struct call *call, varve_error *error)
{
    return store_print_info(call, error);
}

/* A check under way. */
struct verification {
    struct progress progress;
    varve_buf problems; /* as JSON strings with commas between */
    size_t count;
};

static void add_problem(void *ctx, const char *problem)
{
    struct verification *verification = ctx;
    varve_buf_add(&verification->problems, ",", verification->count++ > 0 ? 1 : 0);
    varve_buf_json_string(&verification->problems, varve_str_of(problem));
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct verification *verification = ctx;
    progress_update(&verification->progress, done, total);
}

static varve_status print_verification(const struct call *call, const struct verification *verification,
                                       uint64_t events, uint64_t last_position, varve_error *error)
{
    varve_buf json = { 0 };
    varve_buf_printf(&json, "{\"ok\":%s,\"events\":%" PRIu64 ",\"last_position\":%" PRIu64 ",\"problems\":[",
                     verification->count == 0 ? "true" : "false", events, last_position);
    varve_buf_str(&json, varve_buf_view(&verification->problems));
    varve_buf_str(&json, VARVE_STR("]}"));
    varve_status status = json.failed || verification->problems.failed
                              ? varve_error_set(error, VARVE_NOMEM, "out of memory")
                              : output_document(&call->output, varve_buf_view(&json), error);
    varve_buf_fini(&json);
    return status;
}

/* A damage that ends the check, or keeps it from beginning, is a problem like those that it finds. */
static varve_status check(const struct call *call, struct verification *verification, uint64_t *events,
                          uint64_t *last_position, varve_error *error)
{
    varve_store *store = NULL;
    varve_verify_options options = { .problem = add_problem, .progress = show_progress, .ctx = verification };
    varve_status status = local_store_open(&store, call, LOCAL_READ, error);
    if (status == VARVE_OK) {
        status = varve_store_head(store, last_position, error);
    }
    if (status == VARVE_OK) {
        progress_init(&verification->progress, "verifying", call->quiet);
        status = varve_store_verify(store, &options, events, error);
        progress_fini(&verification->progress);
    }
    varve_store_close(store);
    if (status == VARVE_CORRUPT && verification->count == 0) {
        add_problem(verification, error->message);
    }
    return status == VARVE_CORRUPT ? VARVE_OK : status;
}

varve_status run_store_verify(struct call *call, varve_error *error)
{
    struct verification verification = { 0 };
    uint64_t events = 0;
    uint64_t last_position = 0;
    varve_status status = check(call, &verification, &events, &last_position, error);
    if (status == VARVE_OK) {
        status = print_verification(call, &verification, events, last_position, error);
    }
    if (status == VARVE_OK && verification.count > 0) {
        status = varve_error_set(error, VARVE_CORRUPT, "the store has problems: %zu found", verification.count);
    }
    varve_buf_fini(&verification.problems);
    return status;
}
