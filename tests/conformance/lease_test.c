/* SPDX-License-Identifier: Apache-2.0 */
/* What leases promise on every store driver. */
#include "tests/conformance/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/lease.h"

#define NAME VARVE_STR("relay orders")

static struct lease wanted_by(const char *owner, uint32_t duration_ms)
{
    return (struct lease){
        .name = NAME, .owner = varve_str_of(owner), .backend = VARVE_STR("4711"), .duration_ms = duration_ms
    };
}

/* Takes the lease as soon as it is free. */
static void take_in_time(varve_store *store, const struct lease *wanted, struct arena *memory, struct lease *lease,
                         struct lease *previous)
{
    uint64_t end = clock_ns() + 20000000000u;
    varve_status status;
    while ((status = lease_take(store, wanted, memory, lease, previous, NULL)) == VARVE_LOCKED)
        assert_true(clock_ns() < end);
    assert_int_equal(status, VARVE_OK);
}

static void a_lease_has_one_owner_until_it_ends(void **state)
{
    struct fixture *fixture = *state;
    struct arena memory = { 0 };
    struct lease ann, bob, previous;
    const struct lease for_ann = wanted_by("ann", 200), for_bob = wanted_by("bob", 60000);
    varve_error error = { 0 };
    varve_time now = 0;
    assert_int_equal(lease_look(fixture->store, NAME, &memory, &ann, &now, NULL), VARVE_OK);
    assert_false(lease_is_held(&ann, now));
    assert_int_equal(lease_take(fixture->store, &for_ann, &memory, &ann, &previous, NULL), VARVE_OK);
    assert_int_equal(ann.epoch, 1);
    assert_int_equal(previous.owner.len, 0);
    assert_int_equal(lease_take(fixture->store, &for_bob, &memory, &bob, &previous, &error), VARVE_LOCKED);
    assert_non_null(strstr(error.message, "relay orders is held by ann until 2"));
    assert_int_equal(lease_take(fixture->store, &for_ann, &memory, &ann, &previous, NULL), VARVE_OK);
    assert_int_equal(ann.epoch, 1); /* the same owner */
    assert_int_equal(lease_keep(fixture->store, &ann, &memory, NULL), VARVE_OK);

    take_in_time(fixture->store, &for_bob, &memory, &bob, &previous);
    assert_int_equal(bob.epoch, 2);
    assert_str(previous.owner, "ann");
    assert_str(previous.backend, "4711");
    assert_int_equal(previous.epoch, 1);
    assert_int_equal(lease_keep(fixture->store, &ann, &memory, &error), VARVE_CONFLICT);
    assert_non_null(strstr(error.message, "bob"));
    assert_int_equal(lease_drop(fixture->store, &ann, &memory, NULL), VARVE_CONFLICT);
    assert_int_equal(lease_drop(fixture->store, &bob, &memory, NULL), VARVE_OK);
    assert_int_equal(lease_take(fixture->store, &for_ann, &memory, &ann, &previous, NULL), VARVE_OK);
    assert_int_equal(ann.epoch, 3);
    assert_int_equal(previous.owner.len, 0); /* it was given back */
    arena_fini(&memory);
}

/* Writes `value` together with the owner's lease. */
static varve_status write_fenced(varve_store *store, struct lease *lease, const char *value, struct arena *memory)
{
    struct store_write writes[2] = {
        { .record = { .space = VARVE_STR("effect"), .key = VARVE_STR("x"), .value = varve_str_of(value) } },
    };
    size_t failed = 0;
    varve_status status = lease_fence(lease, varve_time_now(), memory, &writes[1], NULL);
    if (status >= 0) status = store_records_write(store, writes, 2, &failed, NULL);
    if (status >= 0) lease_fenced(lease, &writes[1]);
    return status;
}

static void an_effect_of_a_lost_lease_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct arena memory = { 0 };
    struct lease ann, bob, previous;
    struct store_record effect;
    const struct lease for_ann = wanted_by("ann", 1), for_bob = wanted_by("bob", 60000);
    assert_int_equal(lease_take(fixture->store, &for_ann, &memory, &ann, &previous, NULL), VARVE_OK);
    assert_int_equal(write_fenced(fixture->store, &ann, "1", &memory), VARVE_OK);
    assert_int_equal(write_fenced(fixture->store, &ann, "2", &memory), VARVE_OK);
    take_in_time(fixture->store, &for_bob, &memory, &bob, &previous);
    assert_int_equal(write_fenced(fixture->store, &ann, "3", &memory), VARVE_CONFLICT);
    assert_int_equal(write_fenced(fixture->store, &bob, "4", &memory), VARVE_OK);
    assert_int_equal(write_fenced(fixture->store, &ann, "5", &memory), VARVE_CONFLICT);
    assert_int_equal(store_record_get(fixture->store, VARVE_STR("effect"), VARVE_STR("x"), &memory, &effect, NULL,
                                      NULL),
                     VARVE_OK);
    assert_str(effect.value, "4");
    arena_fini(&memory);
}

/* ---- a race ---- */

enum { ROUNDS = 500 }; /* for each of the two */

struct racer {
    varve_store *store;
    const char *name;
    atomic_int *holders; /* who believes that it holds the lease, and is right */
    uint64_t taken, fenced, lost;
    varve_error problem; /* what should not have happened; a thread cannot fail a test */
    uint8_t *epochs;     /* who had which */
    uint8_t number;
};

/* Takes the lease for so short a time that it is often lost again, and writes under it. */
static void *race(void *argument)
{
    struct racer *racer = argument;
    struct arena memory = { 0 };
    const struct lease wanted = wanted_by(racer->name, 1);
    while (racer->taken < ROUNDS) {
        struct lease lease, previous;
        varve_error error = { 0 };
        arena_reset(&memory);
        varve_status status = lease_take(racer->store, &wanted, &memory, &lease, &previous, &error);
        if (status == VARVE_LOCKED || status == VARVE_BUSY) continue;
        if (status < 0) racer->problem = error;
        if (status < 0) break;
        racer->taken++;
        racer->epochs[lease.epoch] |= racer->number;
        char value[64];
        snprintf(value, sizeof value, "{\"owner\":\"%s\",\"epoch\":%llu}", racer->name,
                 (unsigned long long)lease.epoch);
        status = write_fenced(racer->store, &lease, value, &memory);
        if (status < 0 && status != VARVE_CONFLICT) racer->problem.status = status;
        *(status == VARVE_OK ? &racer->fenced : &racer->lost) += 1;
    }
    arena_fini(&memory);
    return NULL;
}

/* What is written under the lease always names the epoch and the owner of the lease as it is at that moment. */
static void *judge(void *argument)
{
    struct racer *racer = argument;
    struct arena memory = { 0 };
    uint64_t last = 0;
    while (atomic_load(racer->holders) > 0) {
        struct store_record effect;
        int64_t epoch = 0;
        arena_reset(&memory);
        if (store_record_get(racer->store, VARVE_STR("effect"), VARVE_STR("x"), &memory, &effect, NULL, NULL) < 0)
            continue;
        if (varve_json_int(effect.value, "epoch", &epoch, NULL) < 0 || (uint64_t)epoch < last)
            racer->lost++; /* an owner that had lost the lease wrote */
        last = (uint64_t)epoch;
    }
    arena_fini(&memory);
    return NULL;
}

static void of_two_owners_one_holds_each_epoch(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t epochs[2 * ROUNDS + 2];
    atomic_int running = 2;
    struct racer ann = { .store = fixture->store, .name = "ann", .epochs = epochs, .number = 1 };
    struct racer bob = { .store = fixture->store, .name = "bob", .epochs = epochs, .number = 2 };
    struct racer watcher = { .store = fixture->store, .holders = &running };
    pthread_t threads[3];
    memset(epochs, 0, sizeof epochs);
    assert_int_equal(pthread_create(&threads[0], NULL, race, &ann), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, race, &bob), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, judge, &watcher), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    atomic_store(&running, 0);
    pthread_join(threads[2], NULL);
    uint64_t both = 0, used = 0;
    for (size_t i = 0; i < sizeof epochs; i++) {
        both += epochs[i] == 3;
        used += epochs[i] != 0;
    }
    print_message("takes %llu and %llu, %llu epochs, fenced writes %llu done, %llu refused\n",
                  (unsigned long long)ann.taken, (unsigned long long)bob.taken, (unsigned long long)used,
                  (unsigned long long)ann.fenced + bob.fenced, (unsigned long long)ann.lost + bob.lost);
    assert_int_equal(ann.problem.status, VARVE_OK);
    assert_int_equal(bob.problem.status, VARVE_OK);
    assert_int_equal(both, 0);
    assert_int_equal(watcher.lost, 0);
    assert_true(ann.fenced > 0 && bob.fenced > 0);
}

static struct CMUnitTest cases[] = {
    CASE(a_lease_has_one_owner_until_it_ends),
    CASE(an_effect_of_a_lost_lease_is_refused),
    CASE(of_two_owners_one_holds_each_epoch),
};

RUN_ON_ALL_DRIVERS(cases)
