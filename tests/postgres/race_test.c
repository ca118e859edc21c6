/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen racers in two processes, round for round: each appends an event with the round's tag, on condition that there
 * is none. One of them wins, and the others are told of its event.
 *
 *   race_test ROUNDS
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/postgres/book.h"
#include "tests/postgres/server.h"
#include "tests/support/postgres.h"

enum { PROCESSES = 2, THREADS = 8, RACERS = PROCESSES * THREADS };

struct result {
    varve_status status;
    uint64_t position; /* of its event, or of the one that is in its way */
};

/* Shared by the processes. */
struct course {
    pthread_barrier_t start;
    long rounds;
    struct result results[][RACERS];
};

struct run {
    struct course *course;
    char uri[320];
    int process;
};

struct racer {
    pthread_t thread;
    struct course *course;
    varve_store *store;
    int number;
};

static void race_once(struct racer *racer, long round)
{
    char name[32], stream[32];
    varve_appended appended = { 0 };
    varve_error error = { 0 };
    snprintf(name, sizeof name, "round-%ld", round);
    snprintf(stream, sizeof stream, "racer-%d", racer->number);
    const varve_str tag = varve_str_of(name);
    const varve_query_item item = { .tags = &tag, .tag_count = 1 };
    const varve_condition condition = { .kind = VARVE_FAIL_IF_MATCH, .items = &item, .item_count = 1 };
    const varve_event event = {
        .stream = varve_str_of(stream), .type = VARVE_STR("Won"), .tags = &tag, .tag_count = 1
    };
    const varve_append_request request = {
        .events = &event, .event_count = 1, .conditions = &condition, .condition_count = 1
    };
    struct result *result = &racer->course->results[round][racer->number];
    result->status = varve_append(racer->store, &request, &appended, &error);
    if (result->status == VARVE_OK)
        result->position = appended.first_position;
    else if (result->status == VARVE_CONFLICT && appended.failed_count == 1)
        result->position = appended.failed[0].position;
    else
        fprintf(stderr, "a racer was told %s: %s\n", varve_status_word(result->status), error.message);
    varve_appended_fini(&appended);
}

static void *race(void *argument)
{
    struct racer *racer = argument;
    for (long round = 0; round < racer->course->rounds; round++) {
        pthread_barrier_wait(&racer->course->start);
        race_once(racer, round);
    }
    return NULL;
}

static int run_process(void *ctx)
{
    struct run *run = ctx;
    struct racer racers[THREADS];
    varve_store *store = book_open(run->uri, false);
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ .course = run->course, .store = store, .number = run->process * THREADS + i };
        if (pthread_create(&racers[i].thread, NULL, race, &racers[i]) != 0) return 1;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(racers[i].thread, NULL);
    varve_store_close(store);
    return 0;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 200;
    struct run run = { 0 };
    struct postgres postgres;
    pid_t processes[PROCESSES];
    pthread_barrierattr_t shared;
    size_t bytes = sizeof(struct course) + (size_t)rounds * sizeof run.course->results[0];
    run.course = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.course == MAP_FAILED) return 1;
    run.course->rounds = rounds;
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&run.course->start, &shared, RACERS);
    pthread_barrierattr_destroy(&shared);
    postgres_init(&postgres);
    snprintf(run.uri, sizeof run.uri, "%s", postgres_uri(&postgres, NULL));
    varve_store_close(book_open(run.uri, false));
    for (run.process = 0; run.process < PROCESSES; run.process++)
        processes[run.process] = process_start(run_process, &run);
    for (int i = 0; i < PROCESSES; i++) process_end(processes[i]);

    uint64_t none = 0, several = 0, misled = 0, head = 0;
    for (long round = 0; round < rounds; round++) {
        const struct result *results = run.course->results[round];
        uint64_t winners = 0, position = 0;
        for (int i = 0; i < RACERS; i++) {
            winners += results[i].status == VARVE_OK;
            if (results[i].status == VARVE_OK) position = results[i].position;
        }
        for (int i = 0; i < RACERS; i++) misled += results[i].position != position;
        none += winners == 0;
        several += winners > 1;
    }
    varve_store *store = book_open(run.uri, false);
    (void)varve_store_head(store, &head, NULL);
    varve_store_close(store);
    printf("pg_races rounds=%ld racers=%d without_winner=%" PRIu64 " several_winners=%" PRIu64 " misled=%" PRIu64
           " events=%" PRIu64 "\n",
           rounds, RACERS, none, several, misled, head);
    munmap(run.course, bytes);
    postgres_fini(&postgres);
    return none + several + misled > 0 || head != (uint64_t)rounds;
}
