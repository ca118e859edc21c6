/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is killed at a point of a command's way, and the store that the next one finds (VARVE_TEST_STORE). */
#ifndef VARVE_TESTS_CRASH_VICTIM_H
#define VARVE_TESTS_CRASH_VICTIM_H

#include <varve.h>

#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

struct victim_store {
    struct scratch scratch;
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
#endif
    char uri[400];
};

void victim_store_init(struct victim_store *store);
void victim_store_fini(struct victim_store *store);

/* An engine on it with one decider, started. Ends the process after a failure. */
varve_engine *victim_open_engine(const struct victim_store *store, const varve_decider *decider, uint32_t lease_ms);

/* An id by two numbers. */
varve_uuid victim_id(uint8_t round, uint8_t number);

/* Runs `work`, which does not return, in a process of its own, and waits until that was killed. */
void victim_run(void (*work)(void *ctx), void *ctx);
/* In that process, from then on: where it dies. Points are the test's own numbers, 0 is none. */
void victim_choose_point(int point);
/* It is at a point, and dies if that is the one. */
void victim_pass(int point);
/* Dies after a while. */
_Noreturn void victim_die_in(long delay_us);
/* Goes on until it dies. */
_Noreturn void victim_wait(void);

#endif
