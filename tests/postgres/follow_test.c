/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three processes append while a fourth follows the log, on a handle that may write and on one that may not: no
 * position is skipped, none is there before those in front of it, and what was seen stays so.
 *
 *   follow_test APPENDS [SEED]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/postgres/book.h"
#include "tests/postgres/server.h"
#include "tests/support/postgres.h"

enum { WRITERS = 3, THREADS = 3, FOLLOWERS = 2, LOOK_EVERY = 50 };

/* Shared by the processes. */
struct sightings {
    _Atomic bool over; /* nothing is appended any more */
    uint64_t skipped[FOLLOWERS], early[FOLLOWERS], last[FOLLOWERS], live[FOLLOWERS];
    size_t numbers[]; /* for each follower, which append stood at each position */
};

struct run {
    struct book *book;
    struct sightings *sightings;
    size_t positions; /* at most */
    char uri[320];
    unsigned seed;
};

static int append(void *ctx)
{
    struct run *run = ctx;
    const struct manner manner = { .seed = run->seed };
    return book_work(run->book, run->uri, THREADS, &manner);
}

struct follower {
    pthread_t thread;
    struct run *run;
    int number;
    varve_store *store, *other;
};

static void see(struct follower *follower, const varve_event *event)
{
    struct sightings *sightings = follower->run->sightings;
    int f = follower->number;
    if (event->position != sightings->last[f] + 1) sightings->skipped[f]++;
    sightings->last[f] = event->position;
    if (event->position >= follower->run->positions) return;
    sightings->numbers[(size_t)f * follower->run->positions + event->position] = book_number(event);
    /* Whoever else looks at the log sees it too. */
    uint64_t head = 0;
    if (event->position % LOOK_EVERY == 0 &&
        (varve_store_head(follower->other, &head, NULL) < 0 || head < event->position))
        sightings->early[f]++;
}

static void *follow(void *argument)
{
    struct follower *follower = argument;
    struct sightings *sightings = follower->run->sightings;
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    uint64_t head = UINT64_MAX;
    const varve_read_options options = { .follow = true, .wait_ms = 100 };
    varve_status status = varve_cursor_open(&cursor, follower->store, &options, &error);
    while (status >= 0 && sightings->last[follower->number] < head) {
        status = varve_cursor_next(cursor, &event, &error);
        if (status == VARVE_OK) see(follower, event);
        sightings->live[follower->number] += status == VARVE_IDLE;
        if (atomic_load(&sightings->over) && head == UINT64_MAX) (void)varve_store_head(follower->other, &head, NULL);
    }
    if (status < 0) {
        fprintf(stderr, "a follower was told %s: %s\n", varve_status_word(status), error.message);
        atomic_fetch_add(&follower->run->book->failed, 1);
    }
    varve_cursor_close(cursor);
    return NULL;
}

static int follow_twice(void *ctx)
{
    struct run *run = ctx;
    struct follower followers[FOLLOWERS];
    varve_store *stores[FOLLOWERS];
    for (int i = 0; i < FOLLOWERS; i++) stores[i] = book_open(run->uri, i == 1);
    for (int i = 0; i < FOLLOWERS; i++) {
        followers[i] =
            (struct follower){ .run = run, .number = i, .store = stores[i], .other = stores[(i + 1) % FOLLOWERS] };
        if (pthread_create(&followers[i].thread, NULL, follow, &followers[i]) != 0) return 1;
    }
    for (int i = 0; i < FOLLOWERS; i++) pthread_join(followers[i].thread, NULL);
    for (int i = 0; i < FOLLOWERS; i++) varve_store_close(stores[i]);
    return 0;
}

/* What was seen at each position is what stands there in the end. */
static uint64_t count_changed(const struct run *run, varve_store *store)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    uint64_t changed = 0;
    if (varve_cursor_open(&cursor, store, &(varve_read_options){ 0 }, NULL) < 0) exit(1);
    while (varve_cursor_next(cursor, &event, NULL) == VARVE_OK)
        for (size_t f = 0; f < FOLLOWERS; f++)
            changed += run->sightings->numbers[f * run->positions + event->position] != book_number(event);
    varve_cursor_close(cursor);
    return changed;
}

int main(int argc, char **argv)
{
    struct run run = { .seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)getpid() };
    size_t appends = argc > 1 ? strtoul(argv[1], NULL, 10) : 3000;
    unsigned seed = run.seed;
    struct postgres postgres;
    struct findings findings;
    pid_t writers[WRITERS];
    postgres_init(&postgres);
    snprintf(run.uri, sizeof run.uri, "%s", postgres_uri(&postgres, NULL));
    run.book = book_new(appends);
    run.positions = appends * BOOK_EVENTS + 1;
    size_t bytes = sizeof(struct sightings) + FOLLOWERS * run.positions * sizeof(size_t);
    run.sightings = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.sightings == MAP_FAILED) return 1;
    varve_store_close(book_open(run.uri, false));
    pid_t followers = process_start(follow_twice, &run);
    for (int i = 0; i < WRITERS; i++) {
        run.seed += THREADS;
        writers[i] = process_start(append, &run);
    }
    for (int i = 0; i < WRITERS; i++) process_end(writers[i]);
    atomic_store(&run.sightings->over, true);
    process_end(followers);

    varve_store *store = book_open(run.uri, false);
    book_judge(run.book, store, &findings);
    uint64_t changed = count_changed(&run, store), skipped = 0, early = 0;
    varve_store_close(store);
    for (int f = 0; f < FOLLOWERS; f++) {
        skipped += run.sightings->skipped[f] + (run.sightings->last[f] != findings.events);
        early += run.sightings->early[f];
    }
    printf("pg_followers processes=%d followers=%d events=%" PRIu64 " skipped=%" PRIu64 " early=%" PRIu64
           " changed=%" PRIu64 " lost=%" PRIu64 " duplicated=%" PRIu64 " holes=%" PRIu64 " seed=%u\n",
           WRITERS, FOLLOWERS, findings.events, skipped, early, changed, findings.lost, findings.duplicated,
           findings.holes, seed);
    bool good = findings_are_good(&findings) && skipped + early + changed == 0 && run.book->failed == 0;
    munmap(run.sightings, bytes);
    book_free(run.book);
    postgres_fini(&postgres);
    return !good;
}
