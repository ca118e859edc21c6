/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills processes that append, at any moment, also while they wait for the order lock that somebody else holds. Another
 * process appends all the time, so that each goes both ways of commit.c. Nothing acknowledged is lost, nothing is there
 * twice, nothing has a hole, and the lock is free after each.
 *
 *   kill_test KILLS [SEED]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/postgres/book.h"
#include "tests/postgres/server.h"
#include "tests/support/postgres.h"

enum { APPENDS_A_KILL = 2000, THREADS = 4 };

struct run {
    struct postgres postgres;
    char uri[320];
    struct book *book;
    unsigned seed;
    uint64_t while_waiting; /* kills of who waited for the lock */
};

static int append(void *ctx)
{
    struct run *run = ctx;
    const struct manner manner = { .seed = run->seed };
    return book_work(run->book, run->uri, THREADS, &manner);
}

static int append_slowly(void *ctx)
{
    struct run *run = ctx;
    const struct manner manner = { .seed = run->seed };
    return book_work(run->book, run->uri, 1, &manner);
}

/* While somebody else holds the order lock, and everybody waits for it. */
static void kill_waiting(struct run *run, PGconn *session, pid_t worker)
{
    session_ask(session, "BEGIN; SELECT pg_advisory_xact_lock(" ORDER_LOCK ")");
    session_await(session, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 2);
    process_kill(worker);
    session_ask(session, "COMMIT");
    run->while_waiting++;
}

static void one_life(struct run *run, PGconn *session)
{
    size_t acked = atomic_load(&run->book->acked);
    bool waiting = rand_r(&run->seed) % 3 == 0;
    bool early = !waiting && rand_r(&run->seed) % 4 == 0; /* while it connects; else while it appends */
    useconds_t moment = (useconds_t)rand_r(&run->seed) % 40000;
    pid_t worker = process_start(append, run);
    /* More than the other process alone is likely to have: the new one is at work. */
    if (!early) book_await(&run->book->acked, acked + 8 * THREADS, "appends");
    if (waiting) {
        kill_waiting(run, session, worker);
    } else {
        usleep(moment); /* the moment is meant to be any */
        process_kill(worker);
    }
    /* The server notices that its client is gone, and the lock is free again. */
    session_ask(session, "BEGIN; SELECT pg_advisory_xact_lock(" ORDER_LOCK "); COMMIT");
}

int main(int argc, char **argv)
{
    struct run run = { .seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)getpid() };
    long kills = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    unsigned seed = run.seed;
    struct findings findings;
    postgres_init(&run.postgres);
    snprintf(run.uri, sizeof run.uri, "%s", postgres_uri(&run.postgres, NULL));
    run.book = book_new((size_t)kills * APPENDS_A_KILL);
    PGconn *session = session_open(run.uri);
    session_ask(session, "SET lock_timeout TO '20s'");
    pid_t steady = process_start(append_slowly, &run);
    book_await(&run.book->acked, 1, "the first append");
    for (long i = 0; i < kills; i++) one_life(&run, session);
    atomic_store(&run.book->stop, true);
    process_end(steady);

    varve_store *store = book_open(run.uri, false);
    book_judge(run.book, store, &findings);
    uint64_t events = 0;
    varve_error error = { 0 };
    if (varve_store_verify(store, NULL, &events, &error) < 0) {
        fprintf(stderr, "verify: %s\n", error.message);
        findings.errors++;
    }
    varve_store_close(store);
    /* The server is told of an end, or finds out: no lock stays for good. */
    session_await(session, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0);
    printf("pg_kills kills=%ld waiting=%" PRIu64 " acked=%zu events=%" PRIu64 " lost=%" PRIu64 " moved=%" PRIu64
           " duplicated=%" PRIu64 " holes=%" PRIu64 " unasked=%" PRIu64 " seed=%u\n",
           kills, run.while_waiting, atomic_load(&run.book->acked), findings.events, findings.lost, findings.moved,
           findings.duplicated, findings.holes, findings.unasked, seed);
    bool full = atomic_load(&run.book->count) >= run.book->size; /* then the later kills hit nobody at work */
    if (full) fprintf(stderr, "the book was full before the end\n");
    PQfinish(session);
    bool good = findings_are_good(&findings) && !full && run.book->failed == 0;
    book_free(run.book);
    postgres_fini(&run.postgres);
    return !good;
}
