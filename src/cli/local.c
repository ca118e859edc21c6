/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/local.h"

#include "lua/app.h"

void local_log(void *ctx, varve_log_level level, const char *line)
{
    (void)ctx;
    if (level >= VARVE_LOG_WARNING) {
        fprintf(stderr, "varve: %s: %s\n", level == VARVE_LOG_WARNING ? "warning" : "error", line);
    }
}

varve_status local_explain_lock(varve_status status, varve_error *error)
{
    if (status == VARVE_LOCKED && error != NULL) {
        varve_error locked = *error;
        varve_error_set(error, status, "%s; to work through that process, give its --server URL", locked.message);
        error->detail = locked.detail;
    }
    return status;
}

varve_status local_store_open(varve_store **store, const struct call *call, enum local_mode mode, varve_error *error)
{
    varve_store_options options = {
        .uri = call->store,
        .read_only = mode == LOCAL_READ,
        .must_exist = mode != LOCAL_WRITE,
        .log = local_log,
    };
    return local_explain_lock(varve_store_open(store, &options, error), error);
}

static varve_status open_engine(struct local *local, const struct call *call, bool read_only, bool must_exist,
                                varve_error *error)
{
    varve_engine_options options = {
        .store = call->store,
        .read_only = read_only,
        .must_exist = must_exist,
        .passing = true, /* whoever runs one verb does not expect others' commands to be executed by it */
        .allow_private_addresses = call_option(call, OPTION_ALLOW_PRIVATE_ADDRESSES) != NULL,
        .log = local_log,
    };
    local->read_only = read_only;
    return varve_engine_open(&local->engine, &options, error);
}

varve_status local_open(struct local *local, const struct call *call, enum local_mode mode, varve_error *error)
{
    bool must_exist = mode != LOCAL_WRITE;
    varve_status status = open_engine(local, call, mode == LOCAL_READ, must_exist, error);
    if (status == VARVE_LOCKED && mode == LOCAL_CATCH_UP) {
        status = open_engine(local, call, true, must_exist, error);
    }
    if (status == VARVE_OK) {
        status = app_open(&local->app, local->engine, call->app, error);
    }
    if (status == VARVE_OK) {
        status = varve_engine_start(local->engine, error);
    }
    return local_explain_lock(status, error);
}

/* Set when one of the projections is inline. */
static void look_for_inline(void *ctx, const varve_projection_status *status)
{
    bool *any = ctx;
    *any = *any || varve_str_is(status->mode, "inline");
}

varve_status local_open_to_append(struct local *local, const struct call *call, varve_error *error)
{
    bool inlined = false;
    varve_status status = open_engine(local, call, false, false, error);
    if (status == VARVE_OK && call->app != NULL) {
        status = app_open(&local->app, local->engine, call->app, error);
    }
    if (status == VARVE_OK && call->app != NULL) {
        status = varve_projection_list(local->engine, (varve_str){ 0 }, look_for_inline, &inlined, error);
    }
    if (status == VARVE_OK && inlined) {
        status = varve_engine_start(local->engine, error);
    }
    return local_explain_lock(status, error);
}

void local_close(struct local *local)
{
    varve_engine_close(local->engine);
    app_close(local->app);
    *local = (struct local){ 0 };
}
