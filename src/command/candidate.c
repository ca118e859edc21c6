/* SPDX-License-Identifier: Apache-2.0 */
#include "command/candidate.h"

#include "command/registry.h"

varve_status candidate_open(struct candidate *candidate, const varve_candidate *given, varve_error *error)
{
    const varve_decider *table = given->decider;
    struct registry registry = { 0 };
    void *worker = given->ctx;
    varve_status status = registry_add(&registry, table, given->ctx, error);
    registry_fini(&registry);
    *candidate = (struct candidate){ 0 };
    for (size_t i = 0; i < given->upcaster_count && status == VARVE_OK; i++)
        status = upcasters_add(&candidate->upcasters, given->upcasters[i].upcaster, given->upcasters[i].ctx, error);
    if (status == VARVE_OK && table->worker_open != NULL) status = table->worker_open(given->ctx, &worker, error);
    if (status < 0) return status;
    candidate->upcast.set = &candidate->upcasters;
    candidate->decider = (struct load_decider){ .table = table, .worker = worker, .upcast = &candidate->upcast };
    return VARVE_OK;
}

void candidate_close(struct candidate *candidate)
{
    const varve_decider *table = candidate->decider.table;
    if (table != NULL && table->worker_open != NULL && table->worker_close != NULL)
        table->worker_close(candidate->decider.worker);
    upcast_fini(&candidate->upcast);
    upcasters_fini(&candidate->upcasters);
    *candidate = (struct candidate){ 0 };
}
