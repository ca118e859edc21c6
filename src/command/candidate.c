/* SPDX-License-Identifier: Apache-2.0 */
#include "command/candidate.h"

#include "command/registry.h"

varve_status candidate_open(struct load_decider *candidate, const varve_decider *table, void *ctx, varve_error *error)
{
    struct registry registry = { 0 };
    struct load_decider opened = { .table = table, .worker = ctx };
    varve_status status = registry_add(&registry, table, ctx, error);
    registry_fini(&registry);
    if (status == VARVE_OK && table->worker_open != NULL) status = table->worker_open(ctx, &opened.worker, error);
    if (status < 0) return status;
    *candidate = opened;
    return VARVE_OK;
}

void candidate_close(struct load_decider *candidate)
{
    const varve_decider *table = candidate->table;
    if (table->worker_open != NULL && table->worker_close != NULL) table->worker_close(candidate->worker);
    *candidate = (struct load_decider){ 0 };
}
