/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several engines on one PostgreSQL store, each in a process of its own (engine.h), which are killed and frozen: each
 * projection has one owner at a time, every event takes effect once, and everybody answers rightly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <varve.h>
#include <cmocka.h>

#include "tests/processes/engine.h"
#include "tests/support/postgres.h"

enum { LEASE_MS = 2000 };

static const char *program;

struct process {
    pid_t pid;
    FILE *to, *from;
};

struct fixture {
    struct postgres postgres;
    struct process a, b;
    unsigned events; /* that were added */
    uint64_t head;
};

/* ---- a process ---- */

static void start_process(struct fixture *fixture, struct process *process)
{
    int to[2], from[2];
    char uri[400], lease[16], line[16] = "";
    snprintf(uri, sizeof uri, "%s", postgres_uri(&fixture->postgres, "varve"));
    snprintf(lease, sizeof lease, "%d", LEASE_MS);
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        for (int fd = 3; fd < 64; fd++) close(fd);
        execl(program, program, uri, lease, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    process->to = fdopen(to[1], "w");
    process->from = fdopen(from[0], "r");
    assert_non_null(fgets(line, sizeof line, process->from));
    assert_string_equal(line, "ready\n");
}

/* Ends it by closing its input, or at once with a signal. */
static void end_process(struct process *process, int signal)
{
    if (process->pid == 0) return;
    if (signal != 0) {
        kill(process->pid, SIGCONT);
        kill(process->pid, signal);
    }
    fclose(process->to);
    waitpid(process->pid, NULL, 0);
    fclose(process->from);
    *process = (struct process){ 0 };
}

/* Sends a line and returns the answer, until the next call. */
static const char *tell(struct process *process, const char *format, ...)
{
    static char answer[4096];
    va_list arguments;
    va_start(arguments, format);
    vfprintf(process->to, format, arguments);
    va_end(arguments);
    fprintf(process->to, "\n");
    fflush(process->to);
    assert_non_null(fgets(answer, sizeof answer, process->from));
    answer[strcspn(answer, "\n")] = '\0';
    return answer;
}

static long status_of(const char *answer)
{
    return strtol(answer, NULL, 10);
}

static bool is_in(struct process *process, const char *projection, const char *state)
{
    const char *answer = tell(process, "state %s", projection);
    size_t len = strlen(state);
    return strncmp(answer, state, len) == 0 && answer[len] == ' ';
}

static void await(struct process *process, const char *projection, const char *state)
{
    while (!is_in(process, projection, state)) usleep(10000);
}

static void add(struct fixture *fixture, struct process *process, unsigned number)
{
    fixture->head = strtoull(tell(process, "add %u", number), NULL, 10);
    fixture->events += number;
}

/* The tally is that of all events, each once. */
static void assert_tally(struct fixture *fixture, struct process *process)
{
    char expected[64];
    snprintf(expected, sizeof expected, "[{\"events\":%u,\"wrong\":0}]", fixture->events);
    assert_string_equal(tell(process, "ask %" PRIu64, fixture->head), expected);
}

/* The owner of the tally is asked for, and who is on standby. */
static struct process *find_owner(struct fixture *fixture, struct process **other)
{
    for (;; usleep(10000)) {
        bool a = is_in(&fixture->a, "tally", "standby"), b = is_in(&fixture->b, "tally", "standby");
        if (a == b) continue;
        *other = a ? &fixture->a : &fixture->b;
        return a ? &fixture->b : &fixture->a;
    }
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    postgres_init(&fixture->postgres);
    start_process(fixture, &fixture->a);
    start_process(fixture, &fixture->b);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    end_process(&fixture->a, SIGKILL);
    end_process(&fixture->b, SIGKILL);
    postgres_fini(&fixture->postgres);
    free(fixture);
    return 0;
}

/* Built from scratch it is the same. */
static void assert_rebuilt_alike(struct fixture *fixture, struct process *owner)
{
    assert_string_equal(tell(owner, "rebuild tally"), "0");
    await(owner, "tally", "live");
    assert_tally(fixture, owner);
}

/* ---- cases ---- */

static void both_accept_and_answer_and_one_owns(void **state)
{
    struct fixture *fixture = *state;
    char owner[128] = "", seen[128] = "";
    struct process *other = NULL, *first = find_owner(fixture, &other);
    for (int i = 0; i < 5; i++) {
        add(fixture, &fixture->a, 5);
        assert_tally(fixture, &fixture->b);
        add(fixture, &fixture->b, 5);
        assert_tally(fixture, &fixture->a);
    }
    assert_true(is_in(&fixture->a, "names", "standby") != is_in(&fixture->b, "names", "standby"));
    await(first, "tally", "live");
    sscanf(tell(first, "state tally"), "%*s %*s %127s", owner);
    sscanf(tell(other, "state tally"), "%*s %*s %127s", seen);
    assert_string_equal(owner, seen);
    assert_int_equal(status_of(tell(other, "rebuild tally")), VARVE_UNAVAILABLE);
    assert_rebuilt_alike(fixture, first);
    assert_tally(fixture, other);

    end_process(first, 0); /* in peace */
    await(other, "tally", "live");
    add(fixture, other, 5);
    assert_tally(fixture, other);
}

static void a_killed_owner_is_followed_by_the_other(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        struct process *other = NULL, *owner = find_owner(fixture, &other);
        add(fixture, owner, 20);
        add(fixture, other, 100);
        end_process(owner, SIGKILL);
        assert_tally(fixture, other);
        await(other, "tally", "live");
        assert_rebuilt_alike(fixture, other);
        start_process(fixture, owner);
        assert_tally(fixture, owner);
    }
}

/* The transactions of tallies that have changed something and wait for their client. */
static long long count_frozen(struct fixture *fixture)
{
    return postgres_number(&fixture->postgres,
                           "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
                           " JOIN pg_stat_activity s ON s.pid = l.pid WHERE c.relname = 'tally'"
                           " AND l.mode = 'RowExclusiveLock' AND s.state = 'idle in transaction'");
}

/* Stops the owner where it has a transaction open. */
static void freeze_in_a_batch(struct fixture *fixture, struct process *owner, struct process *other)
{
    for (;;) {
        add(fixture, other, 100);
        kill(owner->pid, SIGSTOP);
        /* Twice, with a statement's time in between: what runs has ended. */
        usleep(50000);
        if (count_frozen(fixture) == 1) return;
        kill(owner->pid, SIGCONT);
    }
}

static void a_frozen_owner_changes_nothing_when_it_wakes(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        struct process *other = NULL, *owner = find_owner(fixture, &other);
        add(fixture, owner, 10);
        assert_tally(fixture, owner);
        freeze_in_a_batch(fixture, owner, other);
        assert_tally(fixture, other); /* once the lease has ended */
        await(other, "tally", "live");
        assert_int_equal(count_frozen(fixture), 0);
        kill(owner->pid, SIGCONT);
        await(owner, "tally", "standby");
        assert_tally(fixture, owner);
        add(fixture, owner, 10);
        assert_tally(fixture, owner);
        assert_tally(fixture, other);
        assert_rebuilt_alike(fixture, other);
    }
}

static long long count_generations(struct fixture *fixture)
{
    return postgres_number(&fixture->postgres,
                           "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^varve[$]tally[$][0-9]+$'");
}

/* Has the owner rebuild the tally, and comes back when the new generation has events already. */
static void begin_rebuild(struct fixture *fixture, struct process *owner)
{
    static const char begun[] = "SELECT count(*) FROM pg_stat_user_tables t JOIN varve.read_models m"
                                " ON m.projection = 'tally' AND starts_with(t.schemaname, 'varve$tally$')"
                                " AND t.schemaname <> 'varve$tally$' || m.serving AND t.relname = 'tally'"
                                " AND pg_relation_size(t.relid) > 0";
    assert_string_equal(tell(owner, "rebuild tally"), "0");
    while (postgres_number(&fixture->postgres, begun) == 0) usleep(1000);
}

/* In the middle of a rebuild: the next owner removes what was begun, and the model that serves goes on. */
static void an_owner_killed_in_a_rebuild_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = *state;
    struct process *other = NULL, *owner = find_owner(fixture, &other);
    add(fixture, owner, 300);
    assert_tally(fixture, other);
    begin_rebuild(fixture, owner);
    assert_int_equal(count_generations(fixture), 2);
    end_process(owner, SIGKILL);
    add(fixture, other, 10);
    assert_tally(fixture, other);
    await(other, "tally", "live");
    assert_int_equal(count_generations(fixture), 1);
    assert_rebuilt_alike(fixture, other);
    assert_int_equal(count_generations(fixture), 1);
}

/* What it was building when it froze is gone when it wakes, and it cannot switch to it. */
static void an_owner_frozen_in_a_rebuild_does_not_switch(void **state)
{
    struct fixture *fixture = *state;
    static const char serving[] = "SELECT serving FROM varve.read_models WHERE projection = 'tally'";
    struct process *other = NULL, *owner = find_owner(fixture, &other);
    add(fixture, owner, 300);
    assert_tally(fixture, other);
    long long number = postgres_number(&fixture->postgres, serving);
    begin_rebuild(fixture, owner);
    kill(owner->pid, SIGSTOP);
    add(fixture, other, 10);
    assert_tally(fixture, other); /* once the lease has ended */
    await(other, "tally", "live");
    kill(owner->pid, SIGCONT);
    await(owner, "tally", "standby");
    add(fixture, owner, 10);
    assert_tally(fixture, owner);
    assert_tally(fixture, other);
    assert_int_equal(postgres_number(&fixture->postgres, serving), number);
    assert_int_equal(count_generations(fixture), 1);
    assert_rebuilt_alike(fixture, other);
}

static void a_frozen_consumer_acknowledges_nothing_when_it_wakes(void **state)
{
    struct fixture *fixture = *state;
    varve_store *store = NULL;
    int status = 0;
    size_t count = 0;
    uint64_t first = 0, second = 0;
    const varve_store_options options = { .uri = postgres_uri(&fixture->postgres, "varve") };
    const varve_subscription all = { .name = VARVE_STR("all") };
    assert_int_equal(varve_store_open(&store, &options, NULL), VARVE_OK);
    assert_int_equal(varve_subscription_create(store, &all, NULL), VARVE_OK);
    varve_store_close(store);
    add(fixture, &fixture->a, 10);
    sscanf(tell(&fixture->a, "read ann %d", LEASE_MS), "%d %zu %" SCNu64, &status, &count, &first);
    assert_int_equal(status, VARVE_OK);
    assert_int_equal(count, 10);
    kill(fixture->a.pid, SIGSTOP);
    do {
        sscanf(tell(&fixture->b, "read bob %d", 60000), "%d %zu %" SCNu64, &status, &count, &second);
    } while (status == VARVE_LOCKED);
    assert_int_equal(status, VARVE_OK);
    assert_int_equal(second, first);
    kill(fixture->a.pid, SIGCONT);
    assert_int_equal(status_of(tell(&fixture->a, "ack ann %" PRIu64, first)), VARVE_CONFLICT);
    assert_int_equal(status_of(tell(&fixture->b, "ack bob %" PRIu64, second)), VARVE_OK);
    sscanf(tell(&fixture->b, "read bob %d", 60000), "%d %zu %" SCNu64, &status, &count, &second);
    assert_int_equal(status, VARVE_IDLE);
}

/* As if the server had been promoted: its timeline is another one than the store was written on. */
static void promote(struct fixture *fixture, const char *beside)
{
    char script[600];
    snprintf(script, sizeof script,
             "UPDATE varve.meta SET value = '0' WHERE key = 'timeline'; %s;"
             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
             " WHERE datname = current_database() AND pid <> pg_backend_pid()",
             beside);
    postgres_exec(&fixture->postgres, script);
}

static void await_incarnation(struct fixture *fixture, const char *projection, long long before)
{
    char question[200];
    snprintf(question, sizeof question,
             "SELECT count(*) FROM \"varve$%s$%lld\".varve_checkpoint JOIN varve.meta"
             " ON key = 'incarnation' AND value = incarnation AND position > 0",
             projection, before);
    while (postgres_number(&fixture->postgres, question) == 0) usleep(10000);
}

static void a_log_of_another_history_does_not_end_them(void **state)
{
    struct fixture *fixture = *state;
    static const char serving[] = "SELECT serving FROM varve.read_models WHERE projection = 'tally'";
    add(fixture, &fixture->a, 50);
    assert_tally(fixture, &fixture->b);
    long long number = postgres_number(&fixture->postgres, serving);

    promote(fixture, "");
    add(fixture, &fixture->b, 50);
    await_incarnation(fixture, "tally", number);
    assert_tally(fixture, &fixture->a);
    assert_tally(fixture, &fixture->b);
    assert_int_equal(postgres_number(&fixture->postgres, serving), number); /* the model fits and goes on */

    promote(fixture, "UPDATE \"varve$tally$1\".varve_checkpoint SET event_id = gen_random_uuid()::text");
    while (postgres_number(&fixture->postgres, serving) == number) usleep(10000);
    add(fixture, &fixture->a, 10);
    assert_tally(fixture, &fixture->a);
    assert_tally(fixture, &fixture->b);
    struct process *other = NULL;
    await(find_owner(fixture, &other), "tally", "live");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(both_accept_and_answer_and_one_owns),
        CASE(a_killed_owner_is_followed_by_the_other),
        CASE(a_frozen_owner_changes_nothing_when_it_wakes),
        CASE(a_frozen_consumer_acknowledges_nothing_when_it_wakes),
        CASE(an_owner_killed_in_a_rebuild_leaves_nothing_behind),
        CASE(an_owner_frozen_in_a_rebuild_does_not_switch),
        CASE(a_log_of_another_history_does_not_end_them),
    };
    program = argv[0];
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3) return run_engine(argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
