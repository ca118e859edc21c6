/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes along with appends (struct store_inline), on the writer's connection. Its statements are run one by one,
 * each a trip of its own while the order lock is held: whoever wants models that are never behind pays for them here.
 */
#include "store/postgres/inline.h"

void inline_leave(struct store_log *log)
{
    if (log->inline_session == NULL) return;
    log->inlined->close(log->inlined->ctx);
    log->inlined->sql->close(log->inline_session);
    log->inline_session = NULL;
}

/* The connection speaks statement by statement from here on, until the next round. */
static varve_status enter(struct store_log *log, varve_error *error)
{
    PGconn *pq = log->writer->pq;
    if (PQpipelineStatus(pq) != PQ_PIPELINE_OFF && PQexitPipelineMode(pq) != 1) {
        log->writer->broken = true;
        return varve_error_set(error, VARVE_UNAVAILABLE, "leaving the pipeline: %s", PQerrorMessage(pq));
    }
    if (log->inline_session != NULL) return VARVE_OK;
    varve_status status = log->inlined->sql->borrow(&log->inline_session, pq, schema_names, error);
    if (status < 0) return status;
    status = log->inlined->open(log->inlined->ctx, log->inline_session, error);
    if (status < 0) inline_leave(log);
    return status;
}

static varve_status apply(struct store_log *log, const struct batch *batch, varve_time recorded_at, varve_error *error)
{
    const struct store_inline *inlined = log->inlined;
    varve_status status = enter(log, error);
    for (size_t i = 0; i < batch->accepted_count && status >= 0; i++) {
        varve_event event = *batch->accepted[i].event;
        event.position = batch->head.position + i + 1;
        event.version = batch->accepted[i].version;
        event.recorded_at = recorded_at;
        if (event.occurred_at == 0) event.occurred_at = recorded_at;
        if (inlined->concerns(inlined->ctx, event.type)) status = inlined->apply(inlined->ctx, &event, error);
    }
    return status < 0 ? status : inlined->seal(inlined->ctx, error);
}

static varve_status commit(struct store_log *log, varve_error *error)
{
    (void)connection_send(log->writer, S_COMMIT, NULL);
    return connection_round(log->writer, NULL, 0, "committing", error);
}

bool inline_concerns(const struct store_log *log, const struct store_append *append)
{
    bool any = false;
    for (size_t i = 0; i < append->event_count && !any && log->inlined != NULL; i++)
        any = log->inlined->concerns(log->inlined->ctx, append->events[i].type);
    return any;
}

varve_status inline_commit(struct store_log *log, const struct batch *batch, varve_time recorded_at, varve_error *error)
{
    varve_status status = apply(log, batch, recorded_at, error);
    log->inline_failed = status < 0 && !connection_is_lost(log->writer);
    if (status >= 0) status = commit(log, error);
    if (status < 0) log->inlined->undone(log->inlined->ctx);
    return status;
}

varve_status postgres_set_inline(struct store_log *log, const struct store_inline *inlined, varve_error *error)
{
    inline_leave(log);
    log->inlined = inlined;
    if (inlined == NULL) return VARVE_OK;
    varve_status status = log_be_connected(log, error);
    if (status >= 0) status = enter(log, error);
    if (status < 0) log->inlined = NULL;
    return status;
}

varve_status postgres_change(struct store_log *log, store_change change, void *ctx, varve_error *error)
{
    PGresult *results[3] = { 0 };
    varve_status status = log_be_connected(log, error);
    if (status < 0) return status;
    (void)connection_send(log->writer, S_BEGIN, NULL);
    (void)connection_send(log->writer, S_LOCK, NULL);
    (void)connection_send(log->writer, S_HEAD, NULL);
    status = connection_round(log->writer, results, 3, "beginning a change", error);
    uint64_t head = status >= 0 && PQntuples(results[2]) == 1 ? (uint64_t)result_int(results[2], 0, 0) : 0;
    results_clear(results, 3);
    if (status >= 0) status = enter(log, error);
    if (status >= 0) status = change(ctx, log->inline_session, head, error);
    if (status >= 0) status = commit(log, error);
    if (status >= 0) return VARVE_OK;
    log->inlined->undone(log->inlined->ctx);
    log_roll_back(log);
    return status;
}
