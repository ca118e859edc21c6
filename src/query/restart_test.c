/* SPDX-License-Identifier: Apache-2.0 */
/* The database server of the models goes down as in a crash, again and again: each event takes effect once. */
#include "query/models_fixture.h"

static char program[512]; /* tests/support/postgres */

/* Runs `program VERB FOLDER` on the server of this test. */
static void serve(const char *verb, const char *folder)
{
    char line[1024];
    snprintf(line, sizeof line, "%s %s %s", program, verb, folder);
    if (system(line) != 0) {
        fail_msg("%s", line);
    }
}

/* Commits of a model are not flushed, so that each crash may take some back. */
static void a_server_that_crashes_loses_and_repeats_nothing(void **state)
{
    struct fixture *fixture = *state;
    const char *folder = getenv("VARVE_TEST_POSTGRES");
    uint64_t position = 0;
    start_well(fixture, count_projection);
    for (int i = 0; i < 5; i++) {
        position = append_many(fixture, 2000);
        if (i % 2 == 1) {
            models_rebuild(fixture->models, VARVE_STR("counts"), NULL);
        }
        /* Up to where it is by now, which is never the same. */
        serve("immediate-stop", folder);
        position = append_many(fixture, 1000);
        serve("start", folder);
        if (i == 2) {
            ask(fixture, "counts", "a-4", position);
        }
    }
    char rows[64];
    snprintf(rows, sizeof rows, "[{\"n\":%d,\"total\":%d}]", 1500, 1500);
    assert_string_equal(ask(fixture, "counts", "a-4", position), rows);
    await(fixture, VARVE_PROJECTION_LIVE);
    assert_string_equal(ask(fixture, "counts", "a-4", position), rows);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[] = {
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
