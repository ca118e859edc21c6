/* SPDX-License-Identifier: Apache-2.0 */
#include "command/candidate.h"

#include "command/registry.h"

static varve_status add_upcasters(const varve_candidate *given, struct upcasters *set, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < given->upcaster_count && status == VARVE_OK; i++)
        status = upcasters_add(set, given->upcasters[i].upcaster, given->upcasters[i].ctx, error);
    return status;
}

varve_status candidate_open(struct candidate *candidate, const varve_candidate *given, varve_error *error)
{
    const varve_decider *table = given->decider;
    struct registry registry = { 0 };
    void *worker = given->ctx;
    varve_status status = registry_add(&registry, table, given->ctx, error);
    registry_fini(&registry);
    *candidate = (struct candidate){ 0 };
    if (status == VARVE_OK) status = add_upcasters(given, &candidate->upcasters, error);
    if (status == VARVE_OK && table->worker_open != NULL) status = table->worker_open(given->ctx, &worker, error);
    if (status < 0) return status;
    candidate->upcast.set = &candidate->upcasters;
    candidate->decider = (struct load_decider){ .table = table, .worker = worker, .upcast = &candidate->upcast };
    return VARVE_OK;
}

static varve_status check_upcasters(const varve_candidate *candidate, varve_error *error)
{
    struct upcasters set = { 0 };
    varve_status status = add_upcasters(candidate, &set, error);
    upcasters_fini(&set);
    return status;
}

static varve_status check_schemas(const varve_candidate *candidate, varve_error *error)
{
    struct schemas set = { 0 };
    varve_status status = candidate_add_schemas(candidate, &set, error);
    schemas_fini(&set);
    return status;
}

varve_status varve_candidates_check(const varve_candidate *candidates, size_t count, varve_error *error)
{
    struct registry registry = { 0 };
    varve_error cause = { 0 };
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        const varve_candidate *one = &candidates[i], *before = i == 0 ? NULL : &candidates[i - 1];
        status = registry_add(&registry, one->decider, one->ctx, &cause);
        /* Of one application all have the same ones. */
        if (status == VARVE_OK && (before == NULL || before->upcasters != one->upcasters))
            status = check_upcasters(one, &cause);
        if (status == VARVE_OK && (before == NULL || before->schemas != one->schemas))
            status = check_schemas(one, &cause);
    }
    registry_fini(&registry);
    if (status < 0 && error != NULL) *error = cause;
    return status;
}

varve_status candidate_add_schemas(const varve_candidate *given, struct schemas *set, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < given->schema_count && status == VARVE_OK; i++) {
        const varve_schema_item *schema = &given->schemas[i];
        status = schemas_add(set, schema->type, schema->schema_version, schema->file, schema->text, error);
    }
    return status;
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
