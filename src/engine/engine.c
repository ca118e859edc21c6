/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: a store, the lanes that run commands on it, and the read models kept from it.
 *
 *   opened   the store is open, nothing runs: add deciders, projections, queries
 *   started  lanes and projections run; the only way on is to be closed
 */
#include <varve/engine.h>
#include <varve/projection.h>
#include <varve/projector.h>
#include <varve/scheduled.h>
#include <varve/schema.h>
#include <varve/upcast.h>

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "command/lanes.h"
#include "command/scheduled.h"
#include "command/scheduler.h"
#include "engine/covered.h"
#include "engine/drivers.h"
#include "engine/http_client.h"
#include "event/upcast.h"
#include "query/models.h"
#include "store/access.h"

enum {
    DEFAULT_WORKERS = 2,
    DEFAULT_COMMAND_QUEUE = 8192,
    DEFAULT_STATE_BYTES = 32 << 20,
    DEFAULT_RETENTION_S = 86400,
    DEFAULT_ENRICH_WORKERS = 8
};

struct varve_engine {
    varve_store *store;
    struct lanes *lanes;
    struct scheduler *scheduler; /* NULL: none is needed here */
    struct models *models;
    struct http_client *http;
    struct upcasters upcasters;
    struct schemas schemas;
    struct log log;
    uint32_t lease_ms;
    bool read_only;
    bool passing;
    bool started;
};

static varve_status open_store(varve_engine *engine, const varve_engine_options *options, varve_error *error)
{
    const varve_store_options store_options = {
        .uri = options->store,
        .read_only = options->read_only,
        .must_exist = options->must_exist,
        .durability = options->durability,
        .log = options->log,
        .log_ctx = options->log_ctx,
    };
    return varve_store_open(&engine->store, &store_options, error);
}

static varve_status ask_query(void *ctx, const varve_query_request *request, uint64_t deadline_ns,
                              const atomic_bool *stopping, varve_answer *answer, varve_error *error)
{
    return models_query_until(((varve_engine *)ctx)->models, request, deadline_ns, stopping, answer, error);
}

static varve_status ask_http(void *ctx, const varve_http_request *request, uint64_t deadline_ns,
                             const atomic_bool *stopping, varve_http_response *response, varve_error *error)
{
    const struct http_until until = { deadline_ns, stopping };
    return http_client_fetch(((varve_engine *)ctx)->http, request, &until, response, error);
}

static varve_status open_lanes(varve_engine *engine, const varve_engine_options *options, varve_error *error)
{
    const struct lanes_options lanes_options = {
        .workers = options->command_workers == 0 ? DEFAULT_WORKERS : options->command_workers,
        .queue_limit = options->command_queue == 0 ? DEFAULT_COMMAND_QUEUE : options->command_queue,
        .state_bytes = options->state_bytes == 0 ? DEFAULT_STATE_BYTES : options->state_bytes,
        .schemas = &engine->schemas,
        .upcasters = &engine->upcasters,
        .enrich_workers = options->enrich_workers == 0 ? DEFAULT_ENRICH_WORKERS : options->enrich_workers,
        .asks = { .ctx = engine, .query = ask_query, .http = ask_http },
        .retention_s = options->outcome_retention_s == 0 ? DEFAULT_RETENTION_S : options->outcome_retention_s,
        .log = { options->log, options->log_ctx },
    };
    return lanes_open(&engine->lanes, engine->store, &lanes_options, error);
}

static varve_status open_models(varve_engine *engine, const varve_engine_options *options, varve_error *error)
{
    struct driver driver = { 0 };
    const char *path = NULL;
    varve_buf location = { 0 };
    varve_status status = driver_find(options->store, &driver, &path, error);
    if (status < 0) return status;
    /* Files beside the log's, or schemas beside its schema. */
    varve_buf_printf(&location, (driver.sql->capabilities & SQL_IN_A_FILE) != 0 ? "%s.models" : "%s", path);
    const struct models_options models_options = {
        .sql = driver.sql,
        .location = location.ptr,
        .log_location = path,
        .read_only = options->read_only,
        .lease_ms = options->lease_ms,
        .rebuilds = options->rebuilds,
        .upcasters = &engine->upcasters,
        .log = { options->log, options->log_ctx },
    };
    status = location.failed ? varve_error_set(error, VARVE_NOMEM, "no memory for a path")
                             : models_open(&engine->models, engine->store, &models_options, error);
    varve_buf_fini(&location);
    return status;
}

varve_status varve_engine_open(varve_engine **out, const varve_engine_options *options, varve_error *error)
{
    if (options->size != 0 && options->size != sizeof *options)
        return varve_error_set(error, VARVE_INVALID, "varve_engine_options is of another version of the library");
    varve_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for an engine");
    engine->read_only = options->read_only;
    engine->passing = options->passing;
    engine->lease_ms = options->lease_ms;
    engine->log = (struct log){ options->log, options->log_ctx };
    varve_status status = open_store(engine, options, error);
    if (status >= 0) status = http_client_open(&engine->http, options->allow_private_addresses, error);
    if (status >= 0) status = open_lanes(engine, options, error);
    if (status >= 0) status = open_models(engine, options, error);
    if (status < 0) {
        varve_engine_close(engine);
        return status;
    }
    *out = engine;
    return VARVE_OK;
}

/* Notes which types have schemas, or inline projections. */
static varve_status note_covered(varve_engine *engine, varve_error *error)
{
    size_t inlined = 0, count = engine->schemas.count;
    const varve_str *own = models_inline_types(engine->models, &inlined);
    varve_str *types = calloc(count + inlined + 1, sizeof *types);
    if (types == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory to start an engine");
    for (size_t i = 0; i < count; i++) types[i] = engine->schemas.entries[i].type;
    for (size_t i = 0; i < inlined; i++) types[count + i] = own[i];
    varve_status status = covered_note(engine->store, types, count + inlined, error);
    free(types);
    return status;
}

varve_status varve_engine_start(varve_engine *engine, varve_error *error)
{
    if (engine->started) return varve_error_set(error, VARVE_INVALID, "the engine was started before");
    engine->started = true;
    varve_status status = VARVE_OK;
    status = models_start(engine->models, error);
    if (status >= 0 && !engine->read_only && !engine->passing) status = note_covered(engine, error);
    if (status >= 0) status = lanes_start(engine->lanes, error);
    if (status < 0 || engine->read_only || engine->passing || !lanes_have_deciders(engine->lanes)) return status;
    return scheduler_open(&engine->scheduler, engine->store, engine->lanes, engine->lease_ms, &engine->log, error);
}

void varve_engine_stop_enriching(varve_engine *engine)
{
    lanes_stop_enriching(engine->lanes);
}

void varve_engine_close(varve_engine *engine)
{
    if (engine == NULL) return;
    if (engine->lanes != NULL) lanes_stop_enriching(engine->lanes); /* which what is under way may wait for */
    scheduler_close(engine->scheduler);
    lanes_close(engine->lanes); /* first: what commands append, projections may still see */
    models_close(engine->models);
    http_client_close(engine->http);
    varve_store_close(engine->store);
    upcasters_fini(&engine->upcasters);
    schemas_fini(&engine->schemas);
    free(engine);
}

varve_store *varve_engine_store(varve_engine *engine)
{
    return engine->store;
}

void varve_engine_get_stats(varve_engine *engine, varve_engine_stats *stats)
{
    struct store_stats appends;
    struct lanes_stats commands;
    struct scheduler_stats scheduled;
    store_get_stats(engine->store, &appends);
    lanes_get_stats(engine->lanes, &commands);
    scheduler_get_stats(engine->scheduler, &scheduled);
    *stats = (varve_engine_stats){
        .appends_accepted = appends.appends_accepted,
        .appends_refused = appends.appends_refused,
        .events_appended = appends.events_appended,
        .commits = appends.commits,
        .append_queue = appends.queue_length,
        .commands_accepted = commands.accepted,
        .commands_rejected = commands.rejected,
        .commands_failed = commands.failed,
        .command_retries = commands.retries,
        .command_queue = commands.queue_length,
        .enrichments = commands.enrichment.done,
        .enrichments_failed = commands.enrichment.failed,
        .enrichment_ms = commands.enrichment.total_ms,
        .enrichment_queue = commands.enrichment.waiting,
        .scheduled_executed = scheduled.executed,
        .scheduled_rejected = scheduled.rejected,
        .scheduled_failed = scheduled.failed,
        .scheduled_retries = scheduled.retries,
        .scheduled_running = scheduled.running,
        .writable = appends.writable,
    };
}

/* ---- registering, before the start ---- */

static varve_status refuse_started(const varve_engine *engine, varve_error *error)
{
    if (!engine->started) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID,
                           "deciders, projections, queries, upcasters and schemas are added before the engine starts");
}

varve_status varve_engine_add_decider(varve_engine *engine, const varve_decider *decider, void *ctx, varve_error *error)
{
    varve_status status = refuse_started(engine, error);
    return status < 0 ? status : lanes_add(engine->lanes, decider, ctx, error);
}

varve_status varve_engine_add_projection(varve_engine *engine, const char *file, varve_str text, varve_error *error)
{
    varve_status status = refuse_started(engine, error);
    return status < 0 ? status : models_add_projection(engine->models, file, text, error);
}

varve_status varve_engine_add_projector(varve_engine *engine, const varve_projector *projector, void *ctx,
                                        varve_error *error)
{
    varve_status status = refuse_started(engine, error);
    return status < 0 ? status : models_add_projector(engine->models, projector, ctx, error);
}

varve_status varve_engine_add_query(varve_engine *engine, const char *file, varve_str text, varve_error *error)
{
    varve_status status = refuse_started(engine, error);
    return status < 0 ? status : models_add_query(engine->models, file, text, error);
}

varve_status varve_engine_add_upcaster(varve_engine *engine, const varve_upcaster *upcaster, void *ctx,
                                       varve_error *error)
{
    varve_status status = refuse_started(engine, error);
    return status < 0 ? status : upcasters_add(&engine->upcasters, upcaster, ctx, error);
}

static varve_status check_event(void *ctx, const varve_event *event, varve_error *error)
{
    return schemas_check(ctx, event, error);
}

varve_status varve_engine_add_schema(varve_engine *engine, varve_str type, uint32_t schema_version, const char *file,
                                     varve_str text, varve_error *error)
{
    varve_status status = refuse_started(engine, error);
    if (status >= 0) status = schemas_add(&engine->schemas, type, schema_version, file, text, error);
    if (status >= 0) store_set_check(engine->store, check_event, &engine->schemas);
    return status;
}

/* ---- using, after the start ---- */

static varve_status refuse_stopped(const varve_engine *engine, varve_error *error)
{
    if (engine->started) return VARVE_OK;
    return varve_error_set(error, VARVE_UNAVAILABLE, "the engine is not started");
}

static varve_status refuse_command(const varve_engine *engine, varve_error *error)
{
    if (engine->read_only) return varve_error_set(error, VARVE_DENIED, "the engine is open for reading only");
    return refuse_stopped(engine, error);
}

varve_status varve_execute(varve_engine *engine, const varve_command *command, varve_outcome *outcome,
                           varve_error *error)
{
    varve_status status = refuse_command(engine, error);
    return status < 0 ? status : lanes_execute_wait(engine->lanes, command, outcome, error);
}

varve_status varve_execute_async(varve_engine *engine, const varve_command *command, varve_execute_callback callback,
                                 void *ctx, varve_error *error)
{
    varve_status status = refuse_command(engine, error);
    return status < 0 ? status : lanes_execute(engine->lanes, command, callback, ctx, error);
}

varve_status varve_schedule(varve_engine *engine, const varve_command *command, varve_scheduled *scheduled,
                            varve_error *error)
{
    varve_status status = refuse_command(engine, error);
    if (status >= 0) status = scheduled_check(command, error);
    if (status >= 0) status = lanes_check(engine->lanes, command, error);
    if (status >= 0) status = varve_store_schedule(engine->store, command, scheduled, error);
    if (status >= 0) scheduler_wake(engine->scheduler);
    return status;
}

varve_status varve_aggregate_show(varve_engine *engine, varve_str stream, const varve_aggregate_options *options,
                                  varve_aggregate *aggregate, varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : lanes_show(engine->lanes, stream, options, aggregate, error);
}

varve_status varve_aggregate_history(varve_engine *engine, varve_str stream, const varve_history_options *options,
                                     varve_history *history, varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : lanes_history(engine->lanes, stream, options, history, error);
}

varve_status varve_aggregate_diff(varve_engine *engine, varve_str stream, const varve_aggregate_options *from,
                                  const varve_aggregate_options *to, varve_difference *difference, varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : lanes_diff(engine->lanes, stream, from, to, difference, error);
}

varve_status varve_projection_list(varve_engine *engine, varve_str name, varve_projection_visit visit, void *ctx,
                                   varve_error *error)
{
    return models_list(engine->models, name, visit, ctx, error);
}

varve_status varve_projection_rebuild(varve_engine *engine, varve_str name, varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : models_rebuild(engine->models, name, error);
}

varve_status varve_projection_parked(varve_engine *engine, varve_str name, uint64_t after, uint64_t limit,
                                     varve_projection_parked_visit visit, void *ctx, varve_error *error)
{
    return models_parked(engine->models, name, after, limit, visit, ctx, error);
}

static varve_status check_action(varve_engine *engine, const varve_projection_action *action, varve_error *error)
{
    if (action->size != 0 && action->size != sizeof *action)
        return varve_error_set(error, VARVE_INVALID, "varve_projection_action is of another version of the library");
    return refuse_stopped(engine, error);
}

varve_status varve_projection_retry(varve_engine *engine, const varve_projection_action *action, varve_error *error)
{
    varve_status status = check_action(engine, action, error);
    return status < 0 ? status : models_retry(engine->models, action, error);
}

varve_status varve_projection_skip(varve_engine *engine, const varve_projection_action *action, varve_error *error)
{
    varve_status status = check_action(engine, action, error);
    return status < 0 ? status : models_skip(engine->models, action, error);
}

varve_status varve_projection_check(varve_engine *engine, const varve_projection_check_options *options,
                                    varve_projection_check_summary *summary, varve_error *error)
{
    if (options->size != 0 && options->size != sizeof *options)
        return varve_error_set(error, VARVE_INVALID, "the options of a check are of another version of the library");
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : models_check(engine->models, options, summary, error);
}

varve_status varve_projection_check_start(varve_engine *engine, varve_str name, varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : models_check_start(engine->models, name, error);
}

varve_status varve_projection_check_look(varve_engine *engine, varve_str name, varve_buf *out, varve_error *error)
{
    return models_check_look(engine->models, name, out, error);
}

varve_status varve_query(varve_engine *engine, const varve_query_request *request, varve_answer *answer,
                         varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : models_query(engine->models, request, answer, error);
}

varve_status varve_query_explain(varve_engine *engine, const varve_query_request *request, varve_buf *out,
                                 varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : models_explain(engine->models, request, out, error);
}

varve_status varve_query_wait(varve_engine *engine, varve_str name, uint64_t after_position, uint32_t wait_ms,
                              varve_query_ready ready, void *ctx, varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : models_wait(engine->models, name, after_position, wait_ms, ready, ctx, error);
}

varve_status varve_query_reached(varve_engine *engine, varve_str name, uint64_t position, varve_error *error)
{
    varve_status status = refuse_stopped(engine, error);
    return status < 0 ? status : models_reached(engine->models, name, position, error);
}

/* ---- current shapes, for whoever reads the log ---- */

struct varve_shapes {
    struct upcast upcast;
    struct arena types; /* what varve_shapes_types returned last */
};

varve_status varve_shapes_open(varve_shapes **shapes, varve_engine *engine, varve_error *error)
{
    *shapes = NULL;
    varve_status status = refuse_stopped(engine, error);
    if (status < 0) return status;
    varve_shapes *made = calloc(1, sizeof *made);
    if (made == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    made->upcast.set = &engine->upcasters;
    *shapes = made;
    return VARVE_OK;
}

varve_status varve_shapes_of(varve_shapes *shapes, const varve_event *event, const varve_event **events, size_t *count,
                             varve_error *error)
{
    varve_error cause = { 0 };
    varve_status status = upcast_event(&shapes->upcast, event, events, count, &cause);
    if (status >= 0) return status;
    return varve_error_set(error, status, "position %" PRIu64 ", version %" PRIu64 " of %.*s: %s", event->position,
                           event->version, (int)event->stream.len, event->stream.ptr, cause.message);
}

varve_status varve_shapes_types(varve_shapes *shapes, const varve_str *types, size_t type_count,
                                const varve_str **stored, size_t *stored_count, varve_error *error)
{
    arena_reset(&shapes->types);
    *stored = upcasters_sources(shapes->upcast.set, types, type_count, &shapes->types, stored_count);
    return *stored == NULL ? varve_error_set(error, VARVE_NOMEM, "out of memory") : VARVE_OK;
}

void varve_shapes_close(varve_shapes *shapes)
{
    if (shapes == NULL) return;
    upcast_fini(&shapes->upcast);
    arena_fini(&shapes->types);
    free(shapes);
}
