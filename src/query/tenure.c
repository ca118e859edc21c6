/* SPDX-License-Identifier: Apache-2.0 */
#include "query/tenure.h"

#include <stdio.h>

#include "base/clock.h"

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for a lease");
}

void tenure_init(struct tenure *tenure, varve_store *store, struct place *place, varve_str name, uint32_t duration_ms)
{
    duration_ms = duration_ms == 0 ? TENURE_MS : duration_ms;
    *tenure = (struct tenure){
        .store = store,
        .place = place,
        .name = name,
        .duration_ms = duration_ms,
        .look_ms = duration_ms / 3 < TENURE_LOOK_MS ? duration_ms / 3 : TENURE_LOOK_MS,
    };
}

static void write_key(varve_str name, varve_buf *key)
{
    varve_buf_printf(key, "projection %.*s", (int)name.len, name.ptr);
}

static void come_again(struct tenure *tenure, uint32_t after_ms)
{
    tenure->due_ns = clock_ns() + (uint64_t)after_ms * 1000000;
}

/*
 * The lease is ours anew. The claim may come late, when others have it again: they will claim after us, so ours counts
 * for nothing unless the lease is still ours afterwards.
 */
static varve_status claim(struct tenure *tenure, const struct lease *previous, varve_error *error)
{
    struct place *place = tenure->place;
    varve_buf_str(&tenure->before, previous->backend);
    if (tenure->before.failed) {
        return no_memory(error);
    }
    place->epoch = tenure->lease.epoch;
    varve_status status = place->kind->claim(place, tenure->name, varve_buf_view(&tenure->before), error);
    if (status < 0) {
        return status;
    }
    varve_buf_reset(&tenure->before);
    status = lease_keep(tenure->store, &tenure->lease, &tenure->memory, error);
    if (status == VARVE_CONFLICT) {
        status = VARVE_LOCKED;
    }
    return status;
}

varve_status tenure_hold(struct tenure *tenure, varve_str backend, bool *fresh, varve_error *error)
{
    struct lease previous = { 0 };
    *fresh = false;
    if (tenure->key.len == 0) {
        write_key(tenure->name, &tenure->key);
    }
    if (tenure->key.failed) {
        return no_memory(error);
    }
    const struct lease wanted = {
        .name = varve_buf_view(&tenure->key),
        .owner = tenure->place->owner,
        .backend = backend,
        .duration_ms = tenure->duration_ms,
    };
    arena_reset(&tenure->memory);
    varve_status status = lease_take(tenure->store, &wanted, &tenure->memory, &tenure->lease, &previous, error);
    if (status >= 0 && (!tenure->held || tenure->lease.epoch != tenure->place->epoch)) {
        tenure->held = false;
        status = claim(tenure, &previous, error);
        *fresh = tenure->held = status >= 0;
    }
    if (status == VARVE_LOCKED) {
        tenure->held = false;
    }
    if (status >= 0 || status == VARVE_LOCKED) {
        snprintf(tenure->owner, sizeof tenure->owner, "%.*s", (int)tenure->lease.owner.len, tenure->lease.owner.ptr);
    }
    /* Well before it ends; a fresh one at once, with its backend. */
    uint32_t third_ms = tenure->duration_ms / 3;
    come_again(tenure, *fresh ? 0 : tenure->held && status >= 0 ? third_ms : tenure->look_ms);
    tenure->lease.backend = (varve_str){ 0 }; /* the caller's */
    return status < 0 ? status : VARVE_OK;
}

varve_status tenure_look(varve_store *store, varve_str name, char owner[TENURE_NAME_MAX], varve_error *error)
{
    struct arena memory = { 0 };
    struct lease lease = { 0 };
    varve_time now = 0;
    varve_buf key = { 0 };
    write_key(name, &key);
    owner[0] = '\0';
    varve_status status =
        key.failed ? no_memory(error) : lease_look(store, varve_buf_view(&key), &memory, &lease, &now, error);
    if (status >= 0 && lease_is_held(&lease, now)) {
        snprintf(owner, TENURE_NAME_MAX, "%.*s", (int)lease.owner.len, lease.owner.ptr);
    }
    varve_buf_fini(&key);
    arena_fini(&memory);
    return status;
}

bool tenure_is_due(const struct tenure *tenure)
{
    return tenure->due_ns <= clock_ns();
}

void tenure_lose(struct tenure *tenure)
{
    tenure->held = false;
    tenure->due_ns = 0;
}

void tenure_drop(struct tenure *tenure)
{
    if (tenure->held) {
        lease_drop(tenure->store, &tenure->lease, &tenure->memory, NULL);
    }
    tenure->held = false;
}

void tenure_fini(struct tenure *tenure)
{
    tenure_drop(tenure);
    arena_fini(&tenure->memory);
    varve_buf_fini(&tenure->key);
    varve_buf_fini(&tenure->before);
    *tenure = (struct tenure){ 0 };
}
