/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/processes/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <varve.h>

/* Slow enough to be met in the middle of a batch. `n` runs with the stream's version unless an event is lost or takes
 * effect twice. */
static const char tally[] = "-- @projection tally\n-- @version 1\n-- @create\n"
                            "CREATE TABLE tally (stream TEXT PRIMARY KEY, n BIGINT NOT NULL, last BIGINT NOT NULL);\n"
                            "-- @on Counted\n"
                            "INSERT INTO tally SELECT :stream, 1, CAST(:version AS bigint) FROM pg_sleep(0.005)\n"
                            " ON CONFLICT (stream) DO UPDATE SET n = tally.n + 1, last = excluded.last;\n";
static const char names[] = "-- @projection names\n-- @version 1\n-- @create\n"
                            "CREATE TABLE names (stream TEXT PRIMARY KEY);\n"
                            "-- @on Counted\nINSERT INTO names VALUES (:stream) ON CONFLICT DO NOTHING;\n";
static const char question[] = "-- @query tally\n-- @reads tally\n"
                               "SELECT CAST(coalesce(sum(n), 0) AS bigint) AS events,"
                               " count(*) FILTER (WHERE n <> last) AS wrong FROM tally.tally\n";

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    (void)state;
    (void)event;
    (void)error;
    return VARVE_OK;
}

static varve_status count(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    (void)state;
    (void)command;
    (void)error;
    return varve_emit(decision, &(varve_event){ .type = VARVE_STR("Counted"), .data = VARVE_STR("{}") });
}

static const varve_command_handler commands[] = { { "Count", count }, { NULL, NULL } };
static const varve_decider decider = { .category = "s", .state_size = 1, .evolve = evolve, .commands = commands };

static void print_line(void *ctx, varve_log_level level, const char *line)
{
    (void)ctx;
    if (level >= VARVE_LOG_INFO) fprintf(stderr, "%ld: %s\n", (long)getpid(), line);
}

static varve_status start(varve_engine **engine, const char *store, uint32_t lease_ms, varve_error *error)
{
    const varve_engine_options options = { .store = store, .lease_ms = lease_ms, .log = print_line };
    varve_status status = varve_engine_open(engine, &options, error);
    if (status >= 0) status = varve_engine_add_decider(*engine, &decider, NULL, error);
    if (status >= 0) status = varve_engine_add_projection(*engine, "tally.sql", varve_str_of(tally), error);
    if (status >= 0) status = varve_engine_add_projection(*engine, "names.sql", varve_str_of(names), error);
    if (status >= 0) status = varve_engine_add_query(*engine, "question.sql", varve_str_of(question), error);
    return status < 0 ? status : varve_engine_start(*engine, error);
}

/* A command has its id before it is tried, so it can be repeated while the database cannot be reached. */
static void add(varve_engine *engine, unsigned long number)
{
    uint64_t position = 0;
    for (unsigned long i = 0; i < number; i++) {
        char stream[16];
        varve_outcome outcome = { 0 };
        snprintf(stream, sizeof stream, "s-%lu", i % 5);
        const varve_command command = { .type = VARVE_STR("Count"),
                                        .stream = varve_str_of(stream),
                                        .id = varve_uuid_new() };
        while (varve_execute(engine, &command, &outcome, NULL) < 0) {
            varve_outcome_fini(&outcome);
            usleep(10000);
        }
        position = outcome.last_position;
        varve_outcome_fini(&outcome);
    }
    printf("%" PRIu64 "\n", position);
}

static void ask(varve_engine *engine, uint64_t position)
{
    varve_answer answer = { 0 };
    varve_error error = { 0 };
    const varve_query_request request = { .name = VARVE_STR("tally"), .after_position = position, .wait_ms = 120000 };
    if (varve_query(engine, &request, &answer, &error) < 0)
        printf("%s\n", error.message);
    else
        printf("%.*s\n", (int)answer.rows.len, answer.rows.ptr);
    varve_answer_fini(&answer);
}

static void print_state(void *ctx, const varve_projection_status *status)
{
    (void)ctx;
    printf("%s %" PRIu64 " %.*s\n", status->rebuilding ? "rebuilding" : varve_projection_state_word(status->state),
           status->position, (int)status->owner.len, status->owner.ptr);
}

static void read_batch(varve_store *store, const char *consumer, uint32_t lease_ms)
{
    varve_subscription_batch batch;
    const varve_subscription_read_options options = { .name = VARVE_STR("all"),
                                                      .consumer = varve_str_of(consumer),
                                                      .lease_ms = lease_ms };
    varve_status status = varve_subscription_read(store, &options, &batch, NULL);
    printf("%d %zu %" PRIu64 "\n", (int)status, batch.count,
           batch.count == 0 ? 0 : batch.deliveries[batch.count - 1].event.position);
    varve_subscription_batch_fini(&batch);
}

static void ack(varve_store *store, const char *consumer, uint64_t through)
{
    const varve_subscription_action action = { .name = VARVE_STR("all"),
                                               .consumer = varve_str_of(consumer),
                                               .through = through };
    printf("%d\n", (int)varve_subscription_ack(store, &action, NULL));
}

static void obey(varve_engine *engine, const char *line)
{
    varve_store *store = varve_engine_store(engine);
    char verb[16] = "", word[64] = "";
    unsigned long number = 0;
    sscanf(line, "%15s %63s %lu", verb, word, &number);
    if (strcmp(verb, "add") == 0)
        add(engine, strtoul(word, NULL, 10));
    else if (strcmp(verb, "ask") == 0)
        ask(engine, strtoull(word, NULL, 10));
    else if (strcmp(verb, "state") == 0)
        varve_projection_list(engine, varve_str_of(word), print_state, NULL, NULL);
    else if (strcmp(verb, "rebuild") == 0)
        printf("%d\n", (int)varve_projection_rebuild(engine, varve_str_of(word), NULL));
    else if (strcmp(verb, "read") == 0)
        read_batch(store, word, (uint32_t)number);
    else
        ack(store, word, number);
}

int run_engine(const char *store, uint32_t lease_ms)
{
    varve_engine *engine = NULL;
    varve_error error = { 0 };
    char line[128];
    if (start(&engine, store, lease_ms, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        varve_engine_close(engine);
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(engine, line);
        fflush(stdout);
    }
    varve_engine_close(engine);
    return 0;
}
