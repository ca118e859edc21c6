/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/victim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static int dies_at; /* of the process */

void victim_store_init(struct victim_store *store)
{
    *store = (struct victim_store){ 0 };
    scratch_init(&store->scratch);
    snprintf(store->uri, sizeof store->uri, "sqlite:%s", scratch_path(&store->scratch, "commands.db"));
#ifdef VARVE_WITH_POSTGRES
    if (getenv("VARVE_TEST_STORE") != NULL) {
        postgres_init(&store->postgres);
        snprintf(store->uri, sizeof store->uri, "%s", postgres_uri(&store->postgres, "varve"));
    }
#endif
}

void victim_store_fini(struct victim_store *store)
{
#ifdef VARVE_WITH_POSTGRES
    if (getenv("VARVE_TEST_STORE") != NULL) postgres_fini(&store->postgres);
#endif
    scratch_fini(&store->scratch);
}

varve_engine *victim_open_engine(const struct victim_store *store, const varve_decider *decider, uint32_t lease_ms)
{
    varve_engine *engine = NULL;
    varve_error error = { 0 };
    const varve_engine_options options = { .store = store->uri, .lease_ms = lease_ms };
    if (varve_engine_open(&engine, &options, &error) < 0 ||
        varve_engine_add_decider(engine, decider, NULL, &error) < 0 || varve_engine_start(engine, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return engine;
}

varve_uuid victim_id(uint8_t round, uint8_t number)
{
    varve_uuid id;
    if (varve_uuid_parse(&id, VARVE_STR("01890a5d-ac96-774b-bcce-b302099a8057"), NULL) < 0) abort();
    id.bytes[14] = round;
    id.bytes[15] = number;
    return id;
}

void victim_run(void (*work)(void *ctx), void *ctx)
{
    int status = 0;
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        work(ctx);
        abort();
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

void victim_choose_point(int point)
{
    dies_at = point;
}

void victim_pass(int point)
{
    if (dies_at == point) kill(getpid(), SIGKILL);
}

void victim_die_in(long delay_us)
{
    nanosleep(&(struct timespec){ .tv_nsec = delay_us * 1000 }, NULL);
    kill(getpid(), SIGKILL);
    victim_wait();
}

void victim_wait(void)
{
    for (;;) pause();
}
