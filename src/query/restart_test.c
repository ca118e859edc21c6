/* SPDX-License-Identifier: Apache-2.0 */
/* The database server of the models goes down as in a crash, again and again: each event takes effect once. */
#include "query/models_fixture.h"

#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

static char program[512]; /* tests/support/postgres */

/* Runs `program VERB FOLDER` on the server of this test. */
static void serve(const char *verb, const char *folder)
{
    char *argv[] = { program, (char *)(uintptr_t)verb, (char *)(uintptr_t)folder, NULL };
    pid_t child = 0;
    int outcome = 0;
    assert_int_equal(posix_spawn(&child, program, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_int_equal(outcome, 0);
}

struct appending {
    struct fixture *fixture;
    atomic_bool stop;
    uint64_t position;
};

static void *keep_appending(void *arg)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    struct appending *appending = arg;
    while (!atomic_load(&appending->stop)) {
        appending->position = append_many(appending->fixture, 10);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Commits of a model are not flushed: with events coming all the time, each crash takes some back. */
static void a_server_that_crashes_loses_and_repeats_nothing(void **state)
{
    struct fixture *fixture = *state;
    const char *folder = getenv("VARVE_TEST_POSTGRES");
    struct appending appending = { .fixture = fixture };
    pthread_t thread;
    char rows[64];
    start_well(fixture, count_projection);
    assert_int_equal(pthread_create(&thread, NULL, keep_appending, &appending), 0);
    for (int i = 0; i < 3; i++) {
        uint64_t head = 0;
        assert_int_equal(varve_store_head(fixture->store, &head, NULL), VARVE_OK);
        ask(fixture, "counts", "a-4", head + 100);
        if (i == 1) {
            models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
        }
        serve("immediate-stop", folder);
        serve("start", folder);
    }
    atomic_store(&appending.stop, true);
    pthread_join(thread, NULL);
    int each = (int)(appending.position / 10);
    snprintf(rows, sizeof rows, "[{\"n\":%d,\"total\":%d}]", each, each);
    assert_string_equal(ask(fixture, "counts", "a-4", appending.position), rows);
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_string_equal(ask(fixture, "counts", "a-4", appending.position), rows);
}

int main(int argc, char **argv)
{
    static const struct model_case tests[] = {
        CASE(a_server_that_crashes_loses_and_repeats_nothing),
    };
    struct scratch scratch;
    if (argc != 2) {
        fprintf(stderr, "usage: %s tests/support/postgres\n", argv[0]);
        return 2;
    }
    snprintf(program, sizeof program, "%s", argv[1]);
    scratch_init(&scratch);
    const char *folder = scratch_path(&scratch, "server");
    setenv("VARVE_TEST_POSTGRES", folder, 1);
    serve("start", folder);
    int failed = run_on(postgres_sql(), tests, sizeof tests / sizeof *tests);
    serve("stop", folder);
    scratch_fini(&scratch);
    return failed;
}
