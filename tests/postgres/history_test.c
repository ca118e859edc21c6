/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen clients on four streams, and a checker of what they did and were told. PostgreSQL: in two processes; SQLite:
 * in one. The log in the end is the truth that everything is held against:
 *
 *   an append   stands where it was told, once, after everything that was acknowledged before it was asked for
 *   a conflict  another append has the version that was expected to be free, and what was told of the stream's version
 *               was so between question and answer
 *   a read      is a piece of the stream without a hole, and has everything that was acknowledged before it
 *
 *   history_test postgresql|sqlite OPERATIONS [SEED]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/postgres/history.h"
#include "tests/postgres/server.h"
#include "tests/support/postgres.h"
#include "tests/support/scratch.h"

enum { CLIENTS = 16, READ_EVENTS = 20 };

struct run {
    struct history *history;
    char uri[320];
    unsigned seed;
    int threads;
};

struct client {
    pthread_t thread;
    struct history *history;
    varve_store *store;
    unsigned seed;
    uint64_t known[HISTORY_STREAMS]; /* each stream's version, as this client saw it last */
};

static void append(struct client *client, struct operation *operation, size_t number, const char *stream)
{
    char data[48];
    varve_appended appended = { 0 };
    varve_error error = { 0 };
    snprintf(data, sizeof data, "{\"n\":%zu}", number);
    const varve_event event = { .stream = varve_str_of(stream), .type = VARVE_STR("Done"), .data = varve_str_of(data) };
    const varve_condition condition = { .kind = VARVE_STREAM_AT,
                                        .stream = event.stream,
                                        .version = operation->expected };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = &condition, .condition_count = operation->kind == CONDITIONAL
    };
    operation->status = varve_append(client->store, &request, &appended, &error);
    if (operation->status == VARVE_OK) {
        operation->version = appended.streams[0].version;
        operation->position = appended.first_position;
    } else if (operation->status == VARVE_CONFLICT) {
        operation->version = appended.failed[0].current_version;
    } else {
        fprintf(stderr, "an append was told %s: %s\n", varve_status_word(operation->status), error.message);
    }
    varve_appended_fini(&appended);
}

/* The end of a stream, from somewhat before what is known of it. */
static void read_end(struct client *client, struct operation *operation, const char *stream, uint64_t known)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    operation->from = known > READ_EVENTS ? known - READ_EVENTS : 1;
    operation->version = operation->from - 1;
    const varve_read_options options = { .stream = varve_str_of(stream), .from_version = operation->from };
    varve_status status = varve_cursor_open(&cursor, client->store, &options, &error);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &event, &error)) == VARVE_OK) {
        int64_t number = -1;
        if (event->version != operation->version + 1) operation->torn = true;
        (void)varve_json_int(event->data, "n", &number, NULL);
        operation->version++;
        operation->digest = history_digest(operation->digest, (size_t)number);
    }
    varve_cursor_close(cursor);
    operation->status = status == VARVE_DONE ? VARVE_OK : status;
    if (status < 0) fprintf(stderr, "a read was told %s: %s\n", varve_status_word(status), error.message);
}

static void operate(struct client *client, struct operation *operation, size_t number)
{
    unsigned dice = (unsigned)rand_r(&client->seed) % 10, stream = (unsigned)rand_r(&client->seed) % HISTORY_STREAMS;
    uint64_t *known = &client->known[stream];
    char name[32];
    snprintf(name, sizeof name, "hot-%u", stream);
    operation->stream = stream;
    operation->kind = dice < 5 ? CONDITIONAL : dice < 7 ? UNCONDITIONAL : READ;
    /* Half of what is expected is as fresh as can be, the rest as old as it is. */
    if (operation->kind == CONDITIONAL && dice % 2 == 0)
        (void)varve_stream_get_version(client->store, varve_str_of(name), known, NULL);
    operation->expected = *known;
    operation->start_ns = clock_ns();
    if (operation->kind == READ)
        read_end(client, operation, name, *known);
    else
        append(client, operation, number, name);
    operation->end_ns = clock_ns();
    if (operation->version > *known) *known = operation->version;
}

static void *run_client(void *argument)
{
    struct client *client = argument;
    struct history *history = client->history;
    for (size_t number; (number = atomic_fetch_add(&history->count, 1)) < history->size;)
        operate(client, &history->operations[number], number);
    return NULL;
}

static int run_clients(void *ctx)
{
    struct run *run = ctx;
    struct client clients[CLIENTS];
    varve_store *store = NULL;
    varve_error error = { 0 };
    if (varve_store_open(&store, &(varve_store_options){ .uri = run->uri }, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (int i = 0; i < run->threads; i++) {
        clients[i] = (struct client){ .history = run->history, .store = store, .seed = run->seed + (unsigned)i };
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0) return 1;
    }
    for (int i = 0; i < run->threads; i++) pthread_join(clients[i].thread, NULL);
    varve_store_close(store);
    return 0;
}

static int judge(struct run *run, const char *driver, int processes, unsigned seed)
{
    struct verdict verdict = { 0 };
    varve_store *store = NULL;
    varve_error error = { 0 };
    if (varve_store_open(&store, &(varve_store_options){ .uri = run->uri }, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    history_judge(run->history, store, &verdict);
    varve_store_close(store);
    printf("history driver=%s processes=%d clients=%d operations=%zu appended=%" PRIu64 " conflicts=%" PRIu64
           " reads=%" PRIu64 " order=%" PRIu64 " holes=%" PRIu64 " false_conflicts=%" PRIu64 " wrong_reads=%" PRIu64
           " stale=%" PRIu64 " failed=%" PRIu64 " seed=%u\n",
           driver, processes, CLIENTS, run->history->size, verdict.appended, verdict.conflicts, verdict.reads,
           verdict.order, verdict.holes, verdict.false_conflicts, verdict.wrong_reads, verdict.stale, verdict.failed,
           seed);
    return verdict.order + verdict.holes + verdict.false_conflicts + verdict.wrong_reads + verdict.stale +
               verdict.failed >
           0;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    struct run run = { .seed = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : (unsigned)getpid() };
    unsigned seed = run.seed;
    bool on_postgres = strcmp(argv[1], "postgresql") == 0;
    int processes = on_postgres ? 2 : 1;
    struct postgres postgres;
    struct scratch scratch;
    pid_t clients[2];
    run.threads = CLIENTS / processes;
    run.history = history_new(strtoul(argv[2], NULL, 10));
    scratch_init(&scratch);
    if (on_postgres) postgres_init(&postgres);
    if (on_postgres)
        snprintf(run.uri, sizeof run.uri, "%s", postgres_uri(&postgres, NULL));
    else
        snprintf(run.uri, sizeof run.uri, "sqlite:%s", scratch_path(&scratch, "log.db"));
    for (int i = 0; i < processes; i++) {
        clients[i] = process_start(run_clients, &run);
        run.seed += CLIENTS;
    }
    for (int i = 0; i < processes; i++) process_end(clients[i]);
    int failed = judge(&run, argv[1], processes, seed);
    history_free(run.history);
    if (on_postgres) postgres_fini(&postgres);
    scratch_fini(&scratch);
    return failed;
}
