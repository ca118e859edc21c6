/* SPDX-License-Identifier: Apache-2.0 */
#include "query/models.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "query/check.h"
#include "query/checking.h"
#include "query/inline.h"
#include "query/park.h"
#include "query/query.h"
#include "query/waiters.h"
#include "query/worker.h"
#include "store/access.h"

/* A projection, and who keeps its model. */
enum { SLICE_MS = 100 }; /* of waiting, until it is looked whether to go on */

struct model {
    struct sqlfile *file;
    struct worker *worker; /* NULL: another process does, or not started */
};

struct models {
    varve_store *store;
    struct models_options options;
    char *location, *log_location;
    char token[17];              /* of this query side's scratch databases */
    char owner[TENURE_NAME_MAX]; /* HOST/PROCESS/TOKEN, where models are shared */
    struct reader_pool pool;
    struct reader_home home;
    struct model *models; /* in order of name, once started */
    size_t model_count;
    struct query **queries;
    size_t query_count;
    struct waiters *waiters;
    struct inlines *inlines;
    atomic_uint rebuilding; /* projections that are being rebuilt */
    struct checking checking;
};

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for the query side");
}

/* A process id can be another's later, and on another machine: the token makes the name nobody else's. */
static void name_owner(struct models *models)
{
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) < 0) {
        snprintf(host, sizeof host, "unknown");
    }
    snprintf(models->owner, sizeof models->owner, "%s/%ld/%s", host, (long)getpid(), models->token);
    models->home.place.owner = varve_str_of(models->owner);
}

varve_status models_open(struct models **out, varve_store *store, const struct models_options *options,
                         varve_error *error)
{
    *out = NULL;
    struct models *models = calloc(1, sizeof *models);
    if (models == NULL || (models->location = strdup(options->location)) == NULL ||
        (models->log_location = strdup(options->log_location == NULL ? "" : options->log_location)) == NULL) {
        if (models != NULL) {
            free(models->location);
        }
        free(models);
        return no_memory(error);
    }
    models->store = store;
    checking_init(&models->checking, models);
    models->options = *options;
    models->options.location = models->location;
    reader_pool_init(&models->pool);
    models->home = (struct reader_home){ place_of(options->sql, models->location), store, &models->pool };
    models->home.place.log = models->log_location;
    const varve_uuid random = varve_uuid_new();
    for (size_t i = 0; i < 8; i++) {
        snprintf(models->token + 2 * i, 3, "%02x", random.bytes[8 + i]);
    }
    if (models->home.place.kind->claim != NULL && !options->read_only) {
        name_owner(models);
    }
    *out = models;
    return VARVE_OK;
}

static struct model *find_model(const struct models *models, varve_str name)
{
    for (size_t i = 0; i < models->model_count; i++) {
        if (varve_str_eq(models->models[i].file->name, name)) {
            return &models->models[i];
        }
    }
    return NULL;
}

static struct query *find_query(const struct models *models, varve_str name)
{
    for (size_t i = 0; i < models->query_count; i++) {
        if (varve_str_eq(query_file(models->queries[i])->name, name)) {
            return models->queries[i];
        }
    }
    return NULL;
}

/* Scratch databases are shared by name: nobody else's must be met, so theirs have a random part. */
static varve_status open_scratch(const struct models *models, size_t number, struct sql_session **session,
                                 varve_buf *location, varve_error *error)
{
    const struct place *place = &models->home.place;
    char name[48];
    snprintf(name, sizeof name, "%s_%zu", models->token, number);
    place->kind->locate_scratch(place, name, location);
    return location->failed ? no_memory(error) : place->sql->open(session, location->ptr, SQL_SCRATCH, error);
}

/* Runs @create in an empty database and prepares everything else there; keeps the session if asked to. */
static varve_status try_out(const struct models *models, const struct sqlfile *file, size_t number,
                            struct sql_session **kept, varve_error *error)
{
    const struct sql_driver *sql = models->options.sql;
    struct sql_session *session = NULL;
    struct projection *projection = NULL;
    varve_buf location = { 0 };
    varve_status status = open_scratch(models, number, &session, &location, error);
    if (status == VARVE_OK) {
        status = projection_create(file, sql, session, error);
    }
    if (status == VARVE_OK) {
        status = projection_open(&projection, file, sql, session, error);
    }
    projection_close(projection);
    varve_buf_fini(&location);
    if (status == VARVE_OK && kept != NULL) {
        *kept = session;
        session = NULL;
    }
    sql->close(session);
    return status;
}

/* Takes a projection over, and frees it on failure. */
static varve_status add_model(struct models *models, struct sqlfile *parsed, varve_error *error)
{
    const struct model *twin = find_model(models, parsed->name);
    varve_status status =
        twin == NULL ? VARVE_OK
                     : sqlfile_fail(parsed, parsed->line, VARVE_INVALID, error, "projection %.*s is also in %s",
                                    (int)parsed->name.len, parsed->name.ptr, twin->file->file);
    if (status == VARVE_OK) {
        status = try_out(models, parsed, models->model_count, NULL, error);
    }
    if (status == VARVE_OK) {
        struct model *grown = realloc(models->models, (models->model_count + 1) * sizeof *grown);
        if (grown == NULL) {
            status = no_memory(error);
        } else {
            models->models = grown;
            grown[models->model_count++] = (struct model){ .file = parsed };
            parsed = NULL;
        }
    }
    sqlfile_free(parsed);
    return status;
}

varve_status models_add_projection(struct models *models, const char *file, varve_str text, varve_error *error)
{
    struct sqlfile *parsed = NULL;
    varve_status status = sqlfile_parse(&parsed, SQLFILE_PROJECTION, file, text, models->options.sql->name, error);
    return status < 0 ? status : add_model(models, parsed, error);
}

varve_status models_add_projector(struct models *models, const varve_projector *projector, void *ctx,
                                  varve_error *error)
{
    struct sqlfile *parsed = NULL;
    varve_status status = sqlfile_of_code(&parsed, projector, ctx, models->options.sql->name, error);
    return status < 0 ? status : add_model(models, parsed, error);
}

varve_status models_add_query(struct models *models, const char *file, varve_str text, varve_error *error)
{
    struct sqlfile *parsed = NULL;
    struct query *query = NULL;
    varve_status status = sqlfile_parse(&parsed, SQLFILE_QUERY, file, text, models->options.sql->name, error);
    if (status == VARVE_OK) {
        const struct query *twin = find_query(models, parsed->name);
        status = twin == NULL ? VARVE_OK
                              : sqlfile_fail(parsed, parsed->line, VARVE_INVALID, error, "query %.*s is also in %s",
                                             (int)parsed->name.len, parsed->name.ptr, query_file(twin)->file);
    }
    if (status < 0) {
        sqlfile_free(parsed);
        return status;
    }
    status = query_new(&query, parsed, &models->home, error);
    if (status < 0) {
        return status;
    }
    struct query **grown = realloc(models->queries, (models->query_count + 1) * sizeof(struct query *));
    if (grown == NULL) {
        query_free(query);
        return no_memory(error);
    }
    models->queries = grown;
    grown[models->query_count++] = query;
    return VARVE_OK;
}

static int by_name(const void *a, const void *b)
{
    varve_str left = ((const struct model *)a)->file->name;
    varve_str right = ((const struct model *)b)->file->name;
    size_t len = left.len < right.len ? left.len : right.len;
    int order = memcmp(left.ptr, right.ptr, len);
    return order != 0 ? order : left.len < right.len ? -1 : left.len > right.len;
}

static varve_status check_query(const struct models *models, struct query *query, varve_error *error)
{
    const struct sql_driver *sql = models->options.sql;
    const struct place *place = &models->home.place;
    const struct sqlfile *file = query_file(query);
    struct sql_session *session = NULL;
    varve_buf location = { 0 };
    char scratch[48], name[64];
    varve_status status = open_scratch(models, models->model_count, &session, &location, error);
    for (size_t i = 0; status == VARVE_OK && i < file->read_count; i++) {
        const struct model *model = find_model(models, file->reads[i]);
        if (model == NULL) {
            status = sqlfile_fail(file, file->line, VARVE_INVALID, error, "there is no projection %.*s",
                                  (int)file->reads[i].len, file->reads[i].ptr);
        } else {
            if (model->file->is_inline) {
                query_note_inline(query, i);
            }
            varve_buf_reset(&location);
            snprintf(scratch, sizeof scratch, "%s_%zu", models->token, (size_t)(model - models->models));
            snprintf(name, sizeof name, "%.*s", (int)file->reads[i].len, file->reads[i].ptr);
            place->kind->locate_scratch(place, scratch, &location);
            status = location.failed ? no_memory(error) : sql->attach(session, location.ptr, name, error);
        }
    }
    if (status == VARVE_OK) {
        status = query_check(query, session, error);
    }
    sql->close(session);
    varve_buf_fini(&location);
    return status;
}

/* Checks every query against empty models. */
static varve_status check_queries(const struct models *models, varve_error *error)
{
    varve_status status = VARVE_OK;
    struct sql_session **sessions = calloc(models->model_count + 1, sizeof(struct sql_session *));
    if (sessions == NULL) {
        return no_memory(error);
    }
    for (size_t i = 0; status == VARVE_OK && i < models->model_count; i++) {
        status = try_out(models, models->models[i].file, i, &sessions[i], error);
    }
    for (size_t i = 0; status == VARVE_OK && i < models->query_count; i++) {
        status = check_query(models, models->queries[i], error);
    }
    for (size_t i = 0; i < models->model_count; i++) {
        models->options.sql->close(sessions[i]);
    }
    free(sessions);
    return status;
}

static bool reached(void *ctx, struct query *query, uint64_t position)
{
    const struct models *models = ctx;
    const struct sqlfile *file = query_file(query);
    if (models->options.read_only) {
        uint64_t at = 0;
        return query_position(query, &at, NULL) == VARVE_OK && at >= position;
    }
    bool all = true;
    for (size_t i = 0; all && i < file->read_count; i++) {
        all = file->reads_inline[i] || worker_position(find_model(models, file->reads[i])->worker) >= position;
    }
    return all;
}

static void on_advanced(void *ctx)
{
    const struct models *models = ctx;
    waiters_look(models->waiters);
}

static bool is_awaited(void *ctx)
{
    const struct models *models = ctx;
    return waiters_any(models->waiters);
}

static void on_switched(void *ctx, const struct sqlfile *file)
{
    const struct models *models = ctx;
    for (size_t i = 0; i < models->query_count; i++) {
        const struct sqlfile *query = query_file(models->queries[i]);
        for (size_t j = 0; j < query->read_count; j++) {
            if (varve_str_eq(query->reads[j], file->name)) {
                query_forget(models->queries[i]);
            }
        }
    }
}

static bool enter_build(void *ctx)
{
    struct models *models = ctx;
    unsigned most = models->options.rebuilds == 0 ? MODELS_REBUILDS : models->options.rebuilds;
    unsigned now = atomic_load(&models->rebuilding);
    while (now < most) {
        if (atomic_compare_exchange_weak(&models->rebuilding, &now, now + 1)) {
            return true;
        }
    }
    return false;
}

static void leave_build(void *ctx)
{
    struct models *models = ctx;
    atomic_fetch_sub(&models->rebuilding, 1);
    for (size_t i = 0; i < models->model_count; i++) {
        if (models->models[i].worker != NULL) {
            worker_nudge(models->models[i].worker);
        }
    }
}

static struct generation_home home_of(const struct models *models, const struct model *model,
                                      char incarnation[VARVE_UUID_TEXT_BYTES])
{
    return (struct generation_home){
        .place = models->home.place,
        .file = model->file,
        .incarnation = varve_store_incarnation(models->store, incarnation),
        .upcasters = models->options.upcasters,
    };
}

static varve_status start_workers(struct models *models, varve_error *error)
{
    const struct worker_options options = {
        .events = { on_advanced, on_switched, is_awaited, models, enter_build, leave_build },
        .log = models->options.log,
        .lease_ms = models->options.lease_ms,
    };
    char incarnation[VARVE_UUID_TEXT_BYTES];
    varve_status status = VARVE_OK;
    for (size_t i = 0; status == VARVE_OK && i < models->model_count; i++) {
        struct model *model = &models->models[i];
        const struct generation_home home = home_of(models, model, incarnation);
        check_clean(&home);
        if (model->file->is_inline) {
            continue;
        }
        status = worker_open(&model->worker, models->store, &home, &options, error);
    }
    for (size_t i = 0; status == VARVE_OK && i < models->model_count; i++) {
        if (models->models[i].worker != NULL) {
            status = worker_start(models->models[i].worker, error);
        }
    }
    return status;
}

/* Before the others: what the log itself may hold depends on these. */
static varve_status start_inlines(struct models *models, varve_error *error)
{
    const struct inlines_options options = {
        .store = models->store,
        .place = models->home.place,
        .upcasters = models->options.upcasters,
        .log = models->options.log,
    };
    varve_status status = inlines_open(&models->inlines, &options, error);
    for (size_t i = 0; status == VARVE_OK && i < models->model_count; i++) {
        if (models->models[i].file->is_inline) {
            status = inlines_add(models->inlines, models->models[i].file, error);
        }
    }
    if (status == VARVE_OK && !models->options.read_only) {
        status = inlines_start(models->inlines, error);
    }
    return status;
}

varve_status models_start(struct models *models, varve_error *error)
{
    const struct waiters_options waiting = { .reached = reached, .ctx = models, .poll = models->options.read_only };
    if (models->model_count > 0) {
        qsort(models->models, models->model_count, sizeof *models->models, by_name);
    }
    varve_status status = check_queries(models, error);
    if (status == VARVE_OK && !models->options.read_only) {
        status = models->home.place.kind->prepare(&models->home.place, error);
    }
    if (status == VARVE_OK) {
        status = start_inlines(models, error);
    }
    if (status == VARVE_OK) {
        status = waiters_open(&models->waiters, &waiting, error);
    }
    if (status == VARVE_OK && !models->options.read_only) {
        status = start_workers(models, error);
    }
    return status;
}

void models_close(struct models *models)
{
    if (models == NULL) {
        return;
    }
    checking_fini(&models->checking);
    waiters_stop(models->waiters);
    for (size_t i = 0; i < models->query_count; i++) {
        query_forget(models->queries[i]);
    }
    for (size_t i = 0; i < models->model_count; i++) {
        worker_stop(models->models[i].worker); /* all of them first: they wake each other */
    }
    for (size_t i = 0; i < models->model_count; i++) {
        worker_close(models->models[i].worker);
    }
    inlines_close(models->inlines);
    waiters_close(models->waiters);
    for (size_t i = 0; i < models->query_count; i++) {
        query_free(models->queries[i]);
    }
    for (size_t i = 0; i < models->model_count; i++) {
        sqlfile_free(models->models[i].file);
    }
    reader_pool_fini(&models->pool);
    free(models->queries);
    free(models->models);
    free(models->log_location);
    free(models->location);
    free(models);
}

/* What a model says of itself to who does not run it. */
static void look_at_model(const struct generation_home *home, varve_projection_status *status)
{
    struct checkpoint checkpoint;
    struct sql_session *session = NULL;
    if (generation_peek(home, &checkpoint, NULL) == VARVE_OK) {
        status->position = checkpoint.ours ? checkpoint.position : 0;
        if (!checkpoint.ours) {
            status->problem = VARVE_STR("made from another history of the log: it will be rebuilt");
        }
    }
    if (generation_read(home, &session, NULL) == VARVE_OK) {
        aside_count(home->place.sql, session, NULL, &status->parked, NULL);
        home->place.sql->close(session);
    }
}

const varve_str *models_inline_types(const struct models *models, size_t *count)
{
    return inlines_types(models->inlines, count);
}

/* How much of a rebuild there is, and for how long. */
static void note_rest(varve_projection_status *status)
{
    status->rebuild_total = status->head;
    if (status->rebuild_rate > 0 && status->head > status->rebuild_done) {
        status->rebuild_seconds_left = (double)(status->head - status->rebuild_done) / status->rebuild_rate;
    }
}

static void visit_model(const struct models *models, const struct model *model, uint64_t head,
                        varve_projection_visit visit, void *ctx)
{
    struct worker_texts texts;
    varve_projection_status status = {
        .name = model->file->name,
        .version = model->file->version,
        .mode = VARVE_STR("async"),
        .partitions = model->file->partitions,
        .state = VARVE_PROJECTION_STOPPED,
        .head = head,
    };
    if (model->file->is_inline) {
        status.mode = VARVE_STR("inline");
        if (models->inlines != NULL) {
            inlines_get_status(models->inlines, model->file, &status, texts.problem);
            note_rest(&status);
        }
    } else if (model->worker != NULL) {
        worker_get_status(model->worker, &status, &texts);
        note_rest(&status);
    } else {
        char incarnation[VARVE_UUID_TEXT_BYTES];
        const struct generation_home home = home_of(models, model, incarnation);
        if (home.place.kind->claim != NULL && tenure_look(models->store, status.name, texts.owner, NULL) == VARVE_OK) {
            status.owner = varve_str_of(texts.owner);
        }
        look_at_model(&home, &status);
    }
    visit(ctx, &status);
}

varve_status models_list(struct models *models, varve_str name, varve_projection_visit visit, void *ctx,
                         varve_error *error)
{
    uint64_t head = 0;
    bool found = name.len == 0;
    varve_status status = varve_store_head(models->store, &head, error);
    for (size_t i = 0; status == VARVE_OK && i < models->model_count; i++) {
        const struct model *model = &models->models[i];
        if (name.len == 0 || varve_str_eq(model->file->name, name)) {
            visit_model(models, model, head, visit, ctx);
            found = true;
        }
    }
    if (status == VARVE_OK && !found) {
        status = varve_error_set(error, VARVE_NOT_FOUND, "there is no projection '%.*s'",
                                 (int)(name.len > 80 ? 80 : name.len), name.ptr);
    }
    return status;
}

/* VARVE_NOT_FOUND. */
static varve_status get_model(const struct models *models, varve_str name, const struct model **model,
                              varve_error *error)
{
    *model = find_model(models, name);
    return *model != NULL ? VARVE_OK
                          : varve_error_set(error, VARVE_NOT_FOUND, "there is no projection '%.*s'",
                                            (int)(name.len > 80 ? 80 : name.len), name.ptr);
}

/* Those of appends have no state of their own. */
static varve_status get_async(const struct models *models, varve_str name, const struct model **model,
                              varve_error *error)
{
    varve_status status = get_model(models, name, model, error);
    if (*model != NULL && (*model)->file->is_inline) {
        status = varve_error_set(error, VARVE_UNSUPPORTED, "projection %.*s is inline, and this is for async ones",
                                 (int)name.len, name.ptr);
    }
    return status;
}

/* One that is run here. */
static varve_status get_worker(const struct models *models, varve_str name, struct worker **worker, varve_error *error)
{
    const struct model *model = NULL;
    varve_status status = get_async(models, name, &model, error);
    if (status == VARVE_OK && model->worker == NULL) {
        status = varve_error_set(error, VARVE_UNAVAILABLE, "nobody runs projections here");
    }
    *worker = status == VARVE_OK ? model->worker : NULL;
    return status;
}

varve_status models_rebuild(struct models *models, varve_str name, varve_error *error)
{
    struct worker *worker = NULL;
    const struct model *model = find_model(models, name);
    if (model != NULL && model->file->is_inline && models->inlines != NULL) {
        return inlines_rebuild(models->inlines, model->file, error);
    }
    varve_status status = get_worker(models, name, &worker, error);
    return status < 0 ? status : worker_rebuild(worker, error);
}

varve_status models_retry(struct models *models, const varve_projection_action *action, varve_error *error)
{
    struct worker *worker = NULL;
    varve_status status = get_worker(models, action->name, &worker, error);
    return status < 0 ? status : worker_operate(worker, ERRAND_RETRY, action, error);
}

varve_status models_skip(struct models *models, const varve_projection_action *action, varve_error *error)
{
    struct worker *worker = NULL;
    varve_status status = get_worker(models, action->name, &worker, error);
    return status < 0 ? status : worker_operate(worker, ERRAND_SKIP, action, error);
}

varve_status models_parked(struct models *models, varve_str name, uint64_t after, uint64_t limit,
                           varve_projection_parked_visit visit, void *ctx, varve_error *error)
{
    char incarnation[VARVE_UUID_TEXT_BYTES];
    const struct model *model = NULL;
    varve_status status = get_async(models, name, &model, error);
    if (status < 0) {
        return status;
    }
    const struct generation_home home = home_of(models, model, incarnation);
    return park_list(&home, after, limit, visit, ctx, error);
}

varve_status models_check(struct models *models, const varve_projection_check_options *options,
                          varve_projection_check_summary *summary, varve_error *error)
{
    char incarnation[VARVE_UUID_TEXT_BYTES];
    const struct model *model = NULL;
    varve_status status = get_model(models, options->name, &model, error);
    if (status < 0) {
        return status;
    }
    const struct generation_home home = home_of(models, model, incarnation);
    return check_against_log(models->store, &home, options, summary, error);
}

varve_status models_check_start(struct models *models, varve_str name, varve_error *error)
{
    const struct model *model = NULL;
    varve_status status = get_async(models, name, &model, error);
    return status < 0 ? status : checking_start(&models->checking, name, error);
}

varve_status models_check_look(struct models *models, varve_str name, varve_buf *out, varve_error *error)
{
    const struct model *model = NULL;
    varve_status status = get_async(models, name, &model, error);
    return status < 0 ? status : checking_look(&models->checking, name, out, error);
}

static varve_status no_such_query(varve_str name, varve_error *error)
{
    return varve_error_set(error, VARVE_NOT_FOUND, "there is no query '%.*s'", (int)(name.len > 80 ? 80 : name.len),
                           name.ptr);
}

static varve_status wait_for(struct models *models, struct query *query, uint64_t position, uint32_t wait_ms,
                             varve_query_ready ready, void *ctx, varve_error *error)
{
    if (position == 0) {
        return VARVE_DONE;
    }
    varve_status status =
        waiters_add(models->waiters, query, position, wait_ms == 0 ? QUERY_WAIT_MS : wait_ms, ready, ctx, error);
    if (status == VARVE_OK && !models->options.read_only) {
        const struct sqlfile *file = query_file(query);
        for (size_t i = 0; i < file->read_count; i++) {
            if (!file->reads_inline[i]) {
                worker_nudge(find_model(models, file->reads[i])->worker);
            }
        }
    }
    return status;
}

varve_status models_wait(struct models *models, varve_str name, uint64_t after_position, uint32_t wait_ms,
                         varve_query_ready ready, void *ctx, varve_error *error)
{
    struct query *query = find_query(models, name);
    return query == NULL ? no_such_query(name, error)
                         : wait_for(models, query, after_position, wait_ms, ready, ctx, error);
}

/* Who is behind, and whether it will ever get there. */
static varve_status say_late(const struct models *models, const struct query *query, uint64_t position,
                             varve_error *error)
{
    const struct sqlfile *file = query_file(query);
    for (size_t i = 0; !models->options.read_only && i < file->read_count; i++) {
        struct worker_texts texts;
        varve_projection_status status = { 0 };
        if (file->reads_inline[i]) {
            continue;
        }
        worker_get_status(find_model(models, file->reads[i])->worker, &status, &texts);
        if (status.position < position) {
            return varve_error_set(error, VARVE_TIMEOUT, "projection %.*s is %s at position %llu, before %llu%s%s",
                                   (int)file->reads[i].len, file->reads[i].ptr,
                                   varve_projection_state_word(status.state), (unsigned long long)status.position,
                                   (unsigned long long)position, *texts.problem == '\0' ? "" : ": ", texts.problem);
        }
    }
    return varve_error_set(error, VARVE_TIMEOUT, "the models of query %.*s have not reached position %llu in time",
                           (int)file->name.len, file->name.ptr, (unsigned long long)position);
}

varve_status models_reached(struct models *models, varve_str name, uint64_t position, varve_error *error)
{
    struct query *query = find_query(models, name);
    if (query == NULL) return no_such_query(name, error);
    return reached(models, query, position) ? VARVE_OK : say_late(models, query, position, error);
}

/* A caller who waits in place. */
struct wait {
    sem_t over;
    varve_status status;
};

static void end_wait(void *ctx, varve_status status)
{
    struct wait *wait = ctx;
    wait->status = status;
    sem_post(&wait->over);
}

static varve_status wait_in_place(struct models *models, struct query *query, const varve_query_request *request,
                                  varve_error *error)
{
    struct wait wait = { .status = VARVE_OK };
    if (sem_init(&wait.over, 0, 0) < 0) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "no semaphore: %s", strerror(errno));
    }
    varve_status status = wait_for(models, query, request->after_position, request->wait_ms, end_wait, &wait, error);
    if (status == VARVE_OK) {
        while (sem_wait(&wait.over) < 0 && errno == EINTR) {
        }
        status = wait.status;
        if (status == VARVE_TIMEOUT) {
            say_late(models, query, request->after_position, error);
        } else if (status < 0) {
            varve_error_set(error, status, "the engine is stopping");
        }
    }
    sem_destroy(&wait.over);
    return status < 0 ? status : VARVE_OK;
}

/* Until then, `most` at most; 1 when it is over, since 0 would be no limit. */
static uint32_t left_ms(uint64_t deadline_ns, uint32_t most)
{
    uint64_t now = clock_ns();
    uint64_t left = now < deadline_ns ? (deadline_ns - now) / 1000000 + 1 : 1;
    return left < most ? (uint32_t)left : most;
}

/* Waits a slice at a time, to look in between whether it is to stop. */
static varve_status wait_in_slices(struct models *models, struct query *query, const varve_query_request *request,
                                   uint64_t deadline_ns, const atomic_bool *stopping, varve_error *error)
{
    varve_query_request slice = *request;
    varve_status status = VARVE_OK;
    do {
        if (*stopping) {
            return varve_error_set(error, VARVE_UNAVAILABLE, "the engine is stopping");
        }
        slice.wait_ms = left_ms(deadline_ns, SLICE_MS);
        status = wait_in_place(models, query, &slice, error);
    } while (status == VARVE_TIMEOUT && clock_ns() < deadline_ns);
    return status;
}

/* Waits for after_position, if there is one. */
static varve_status wait_until(struct models *models, struct query *query, const varve_query_request *request,
                               uint64_t deadline_ns, const atomic_bool *stopping, varve_error *error)
{
    if (request->after_position == 0) return VARVE_OK;
    uint64_t end = clock_ns() + (request->wait_ms == 0 ? QUERY_WAIT_MS : request->wait_ms) * UINT64_C(1000000);
    varve_status status = query_check_request(query, request, error);
    return status < 0 ? status
                      : wait_in_slices(models, query, request, end < deadline_ns ? end : deadline_ns, stopping, error);
}

varve_status models_explain(struct models *models, const varve_query_request *request, varve_buf *out,
                            varve_error *error)
{
    static const atomic_bool never;
    struct query *query = find_query(models, request->name);
    if (query == NULL) return no_such_query(request->name, error);
    varve_status status = wait_until(models, query, request, UINT64_MAX, &never, error);
    return status < 0 ? status : query_explain(query, request, QUERY_TIME_MS, out, error);
}

varve_status models_query_until(struct models *models, const varve_query_request *request, uint64_t deadline_ns,
                                const atomic_bool *stopping, varve_answer *answer, varve_error *error)
{
    struct query *query = find_query(models, request->name);
    if (query == NULL) return no_such_query(request->name, error);
    varve_status status = wait_until(models, query, request, deadline_ns, stopping, error);
    return status < 0 ? status : query_ask(query, request, left_ms(deadline_ns, QUERY_TIME_MS), answer, error);
}

varve_status models_query(struct models *models, const varve_query_request *request, varve_answer *answer,
                          varve_error *error)
{
    static const atomic_bool never;
    return models_query_until(models, request, UINT64_MAX, &never, answer, error);
}
