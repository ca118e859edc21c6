/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lease.h"

#include "store/contend.h"

#define SPACE VARVE_STR("lease")

/* ---- the record ---- */

static bool take_text(varve_str value, const char *name, struct arena *memory, varve_str *text)
{
    varve_buf plain = { 0 };
    bool taken = varve_json_string(value, name, &plain, NULL) >= 0 && !plain.failed &&
                 arena_copy(memory, varve_buf_view(&plain), text);
    varve_buf_fini(&plain);
    return taken;
}

static varve_status read_value(const struct store_record *record, struct arena *memory, struct lease *lease,
                               varve_error *error)
{
    int64_t epoch = 0, expires_at = 0, duration_ms = 0;
    bool whole = take_text(record->value, "owner", memory, &lease->owner) &&
                 take_text(record->value, "backend", memory, &lease->backend) &&
                 varve_json_int(record->value, "epoch", &epoch, NULL) >= 0 &&
                 varve_json_int(record->value, "expires_at", &expires_at, NULL) >= 0 &&
                 varve_json_int(record->value, "duration_ms", &duration_ms, NULL) >= 0;
    if (!whole)
        return varve_error_set(error, VARVE_CORRUPT, "the lease %.*s cannot be read", (int)record->key.len,
                               record->key.ptr);
    lease->epoch = (uint64_t)epoch;
    lease->expires_at = expires_at;
    lease->duration_ms = (uint32_t)duration_ms;
    lease->revision = record->revision;
    return VARVE_OK;
}

static varve_status make_write(const struct lease *lease, struct arena *memory, struct store_write *write,
                               varve_error *error)
{
    varve_buf value = { 0 };
    *write = (struct store_write){
        .record = { .space = SPACE, .key = lease->name },
        .expect = lease->revision == 0 ? STORE_EXPECT_NONE : STORE_EXPECT_REVISION,
        .expected = lease->revision,
    };
    varve_buf_str(&value, VARVE_STR("{\"owner\":"));
    varve_buf_json_string(&value, lease->owner);
    varve_buf_str(&value, VARVE_STR(",\"backend\":"));
    varve_buf_json_string(&value, lease->backend);
    varve_buf_printf(&value, ",\"epoch\":%llu,\"expires_at\":%lld,\"duration_ms\":%lu}",
                     (unsigned long long)lease->epoch, (long long)lease->expires_at, (unsigned long)lease->duration_ms);
    bool made = !value.failed && arena_copy(memory, varve_buf_view(&value), &write->record.value);
    varve_buf_fini(&value);
    return made ? VARVE_OK : varve_error_set(error, VARVE_NOMEM, "no memory for a lease");
}

varve_status lease_look(varve_store *store, varve_str name, struct arena *memory, struct lease *lease, varve_time *now,
                        varve_error *error)
{
    struct store_record record = { 0 };
    varve_error problem = { 0 };
    *lease = (struct lease){ 0 };
    if (!arena_copy(memory, name, &lease->name)) return varve_error_set(error, VARVE_NOMEM, "no memory for a lease");
    varve_status status = store_record_get(store, SPACE, name, memory, &record, now, &problem);
    if (status == VARVE_NOT_FOUND) return VARVE_OK;
    if (status < 0 && error != NULL) *error = problem;
    return status < 0 ? status : read_value(&record, memory, lease, error);
}

bool lease_is_held(const struct lease *lease, varve_time now)
{
    return lease->owner.len > 0 && lease->expires_at > now;
}

/* ---- what an owner does ---- */

/* Writes the lease as it is to be from now on. REPEATED: look again. */
static varve_status put(varve_store *store, struct lease *lease, struct arena *memory, struct contention *contention,
                        varve_error *error)
{
    struct store_write write;
    varve_status status = make_write(lease, memory, &write, error);
    if (status >= 0) status = contend_write(contention, store, &write, 1, error);
    if (status == VARVE_OK) lease->revision = write.record.revision;
    return status;
}

static varve_time end_of(varve_time now, uint32_t duration_ms)
{
    return now + (varve_time)duration_ms * 1000;
}

static varve_status locked(const struct lease *lease, varve_time now, varve_error *error)
{
    char until[VARVE_TIME_TEXT_BYTES];
    varve_time_format(lease->expires_at, until);
    varve_error_set(error, VARVE_LOCKED, "%.*s is held by %.*s until %s", (int)lease->name.len, lease->name.ptr,
                    (int)lease->owner.len, lease->owner.ptr, until);
    if (error != NULL) error->detail = (lease->expires_at - now) / 1000;
    return VARVE_LOCKED;
}

varve_status lease_take(varve_store *store, const struct lease *wanted, struct arena *memory, struct lease *lease,
                        struct lease *previous, varve_error *error)
{
    struct contention contention = { 0 };
    varve_status status = VARVE_REPEATED;
    while (status == VARVE_REPEATED) {
        varve_time now = 0;
        *previous = (struct lease){ 0 };
        status = lease_look(store, wanted->name, memory, lease, &now, error);
        if (status < 0) return status;
        bool mine = varve_str_eq(lease->owner, wanted->owner);
        if (!mine && lease_is_held(lease, now)) return locked(lease, now, error);
        if (!mine) {
            if (lease->owner.len > 0) *previous = *lease;
            lease->epoch++;
            lease->owner = wanted->owner;
        }
        lease->backend = wanted->backend;
        lease->duration_ms = wanted->duration_ms;
        lease->expires_at = end_of(now, wanted->duration_ms);
        status = put(store, lease, memory, &contention, error);
    }
    return status;
}

/* Reads the lease anew and makes sure that it is still the same owner's. */
static varve_status look_again(varve_store *store, struct lease *lease, struct arena *memory, varve_time *now,
                               varve_error *error)
{
    struct lease found;
    varve_status status = lease_look(store, lease->name, memory, &found, now, error);
    if (status < 0) return status;
    if (found.epoch != lease->epoch || !varve_str_eq(found.owner, lease->owner))
        return varve_error_set(error, VARVE_CONFLICT, "%.*s is no longer held by %.*s%s%.*s", (int)lease->name.len,
                               lease->name.ptr, (int)lease->owner.len, lease->owner.ptr,
                               found.owner.len > 0 ? " but by " : "", (int)found.owner.len, found.owner.ptr);
    lease->revision = found.revision;
    return VARVE_OK;
}

varve_status lease_keep(varve_store *store, struct lease *lease, struct arena *memory, varve_error *error)
{
    struct contention contention = { 0 };
    varve_status status = VARVE_REPEATED;
    while (status == VARVE_REPEATED) {
        varve_time now = 0;
        status = look_again(store, lease, memory, &now, error);
        if (status < 0) return status;
        lease->expires_at = end_of(now, lease->duration_ms);
        status = put(store, lease, memory, &contention, error);
    }
    return status;
}

varve_status lease_drop(varve_store *store, struct lease *lease, struct arena *memory, varve_error *error)
{
    struct contention contention = { 0 };
    varve_status status = VARVE_REPEATED;
    while (status == VARVE_REPEATED) {
        varve_time now = 0;
        status = look_again(store, lease, memory, &now, error);
        if (status < 0) return status;
        struct lease free = *lease;
        free.owner = free.backend = (varve_str){ 0 };
        free.expires_at = now;
        status = put(store, &free, memory, &contention, error);
        if (status == VARVE_OK) *lease = free;
    }
    return status;
}

varve_status lease_fence(struct lease *lease, varve_time now, struct arena *memory, struct store_write *write,
                         varve_error *error)
{
    lease->expires_at = end_of(now, lease->duration_ms);
    return make_write(lease, memory, write, error);
}

void lease_fenced(struct lease *lease, const struct store_write *write)
{
    lease->revision = write->record.revision;
}
