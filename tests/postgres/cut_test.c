/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts the connection of the one who appends, at a chosen message: before it reaches the server, after it, and with the
 * server none the wiser, so that the old session goes on, or gets the message only after the driver has sent the batch
 * again, or never. Or garbles the answer, so that libpq fails while the connection goes on. Each append is known in the
 * end and there exactly once.
 *
 *   cut_test ROUNDS
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/postgres/book.h"
#include "tests/postgres/proxy.h"
#include "tests/postgres/server.h"
#include "tests/support/postgres.h"

/* Where a cut is made, and how. */
static const struct {
    const char *statement;
    enum cut cut;
} cuts[] = {
    { "add_events", CUT_ANSWER },     { "add_events", CUT_AT_ONCE }, { "add_events", CUT_ABANDON },
    { "add_events", CUT_DELAY },      { "ids", CUT_ANSWER },         { "ids", CUT_DELAY },
    { "stream_version", CUT_ANSWER },
};

/* UNTIL_ALONE: after so many appends the writer is sure that nobody else appends any more. */
enum { CUTS = sizeof cuts / sizeof cuts[0], UNTIL_ALONE = 20 };

struct run {
    struct proxy proxy;
    struct book *book;
    varve_store *store, *other; /* through the proxy, and beside it */
    PGconn *session;
    struct manner manner, other_manner;
    size_t delivered, held, waited; /* late messages; sessions cut off with the lock, and those seen waiting for it */
    uint64_t wrong;
};

struct appending {
    pthread_t thread;
    struct run *run;
    varve_status status;
    varve_error error;
    atomic_bool done;
};

static void *append(void *argument)
{
    struct appending *appending = argument;
    struct run *run = appending->run;
    appending->status = book_append(run->book, run->store, &run->manner, &appending->error);
    atomic_store(&appending->done, true);
    return NULL;
}

/* Until the new session waits for the lock, or is through without. */
static void await_waiting(struct run *run, struct appending *appending)
{
    static const char waiting[] = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                                  "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    run->held++;
    while (!atomic_load(&appending->done)) {
        if (session_ask(run->session, waiting) > 0) {
            run->waited++;
            return;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    }
}

static void must(varve_status status, const varve_error *error, const char *what)
{
    if (status == VARVE_OK || status == VARVE_REPEATED) return;
    fprintf(stderr, "%s: %s (%s)\n", what, varve_status_word(status), error->message);
    exit(1);
}

/* Somebody else appends in turns with the writer: it knows the stream, finds out only when it writes, and from then on
 * writes behind whatever head there is. */
static void contend(struct run *run)
{
    varve_error error = { 0 };
    run->manner.one_stream = true;
    must(book_append(run->book, run->store, &run->manner, &error), &error, "an append that learns the stream");
    must(book_append(run->book, run->other, &run->other_manner, &error), &error, "another's append");
    must(book_append(run->book, run->store, &run->manner, &error), &error, "an append that finds out");
    must(book_append(run->book, run->other, &run->other_manner, &error), &error, "another's append");
}

/* The writer presumed that ids are new, and for a while it looks them up. */
static void doubt_ids(struct run *run)
{
    varve_error error = { 0 };
    run->manner.own_ids = true;
    must(book_append(run->book, run->store, &run->manner, &error), &error, "an append with ids");
    must(book_repeat(run->book, run->store, &error), &error, "the same once more");
}

/* What a round finds: nobody else appends; others do; others do, and the writer looks up under the order lock. */
enum company { ALONE, CONTENDED, LOCKED, COMPANIES };

static void one_round(struct run *run, long round)
{
    size_t which = (size_t)round % CUTS, before = atomic_load(&run->proxy.cuts);
    enum company company = (enum company)(round / CUTS % COMPANIES);
    bool reads = strcmp(cuts[which].statement, "stream_version") == 0;
    bool delays = cuts[which].cut == CUT_DELAY, writes = strcmp(cuts[which].statement, "add_events") == 0;
    struct appending appending = { .run = run };
    varve_error error = { 0 };
    run->manner.own_ids = run->manner.on_version = run->manner.one_stream = false;
    if (company != ALONE) contend(run);
    for (int i = 0; company == ALONE && i < UNTIL_ALONE; i++)
        must(book_append(run->book, run->store, &run->manner, &error), &error, "an append");
    if (company == LOCKED || (!writes && !reads)) doubt_ids(run);
    /* Only then ids are looked up, and of one who contends under the lock. */
    run->manner.own_ids = company == LOCKED || !writes || (company == ALONE && round / CUTS / COMPANIES % 2 == 1);
    run->manner.on_version = reads;
    proxy_arm(&run->proxy, cuts[which].cut, cuts[which].statement);
    if (pthread_create(&appending.thread, NULL, append, &appending) != 0) exit(1);
    book_await(&run->proxy.cuts, before + 1, "a cut");
    bool holds = company == LOCKED && delays && writes;
    if (holds) {
        await_waiting(run, &appending);
        proxy_release(&run->proxy);
    }
    pthread_join(appending.thread, NULL);
    must(appending.status, &appending.error, "an append that was cut off");
    if (!holds) proxy_release(&run->proxy);
    if (delays) book_await(&run->proxy.delivered, ++run->delivered, "what was delayed");
}

/* The old session holds the order lock and never hears anything again: the server ends it after a while. */
static void test_forsaken(struct run *run)
{
    struct appending appending = { .run = run };
    run->manner.own_ids = run->manner.on_version = false;
    contend(run);
    doubt_ids(run);
    size_t before = atomic_load(&run->proxy.cuts);
    proxy_arm(&run->proxy, CUT_DELAY, "add_events");
    if (pthread_create(&appending.thread, NULL, append, &appending) != 0) exit(1);
    book_await(&run->proxy.cuts, before + 1, "a cut");
    await_waiting(run, &appending);
    pthread_join(appending.thread, NULL);
    must(appending.status, &appending.error, "an append beside a session that was forsaken");
}

/* When nobody can be reached for long the outcome stays unknown, and is told as that; the same append tells later. */
static void test_unknown(struct run *run)
{
    varve_error error = { 0 };
    size_t before = atomic_load(&run->book->acked);
    proxy_refuse(&run->proxy, true);
    proxy_arm(&run->proxy, CUT_ANSWER, "add_events");
    varve_status status = book_append(run->book, run->store, &run->manner, &error);
    proxy_refuse(&run->proxy, false);
    if (status != VARVE_INDETERMINATE || (error.flags & VARVE_ERROR_UNKNOWN_OUTCOME) == 0) run->wrong++;
    must(book_repeat(run->book, run->store, &error), &error, "an append of unknown outcome, repeated");
    if (atomic_load(&run->book->acked) != before + 1) run->wrong++;
}

/* The batch is committed, but libpq cannot take the answer and says so: what became of it is as open as after a cut. */
static void test_garbled(struct run *run)
{
    run->manner.own_ids = run->manner.on_version = false;
    for (int i = 0; i < 4; i++) {
        varve_error error = { 0 };
        size_t before = atomic_load(&run->proxy.cuts);
        must(book_append(run->book, run->store, &run->manner, &error), &error, "an append");
        proxy_arm(&run->proxy, CUT_GARBLE, "add_events");
        must(book_append(run->book, run->store, &run->manner, &error), &error, "an append with a garbled answer");
        book_await(&run->proxy.cuts, before + 1, "a garbled answer");
    }
}

static void finish(struct run *run, long rounds)
{
    struct findings findings;
    book_judge(run->book, run->other, &findings);
    varve_store_close(run->store);
    proxy_close(&run->proxy);
    varve_store_close(run->other);
    printf("pg_cuts rounds=%ld cuts=%zu delivered_late=%zu held=%zu waited=%zu acked=%zu events=%" PRIu64
           " lost=%" PRIu64 " moved=%" PRIu64 " duplicated=%" PRIu64 " holes=%" PRIu64 " unasked=%" PRIu64
           " unknown=%zu wrong=%" PRIu64 "\n",
           rounds, atomic_load(&run->proxy.cuts), run->delivered, run->held, run->waited,
           atomic_load(&run->book->acked), findings.events, findings.lost, findings.moved, findings.duplicated,
           findings.holes, findings.unasked, atomic_load(&run->book->unknown), run->wrong);
    if (!findings_are_good(&findings)) run->wrong++;
    if (run->held == 0 || run->waited != run->held) {
        fprintf(stderr, "an old session held no lock that the new one waits for\n");
        run->wrong++;
    }
    PQfinish(run->session);
    book_free(run->book);
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 4 * CUTS;
    struct run run = { .manner = { .seed = 1 }, .other_manner = { .seed = 2 } };
    struct postgres postgres;
    varve_error error = { 0 };
    char uri[320], through[256];
    postgres_init(&postgres);
    snprintf(uri, sizeof uri, "%s", postgres_uri(&postgres, NULL));
    run.session = session_open(uri);
    run.book = book_new((size_t)rounds * (UNTIL_ALONE + 4) + 32);
    proxy_open(&run.proxy, (unsigned short)strtoul(PQport(run.session), NULL, 10));
    run.other = book_open(uri, false);
    snprintf(through, sizeof through,
             "postgresql://varve@127.0.0.1:%u/%s?gssencmode=disable&sslmode=disable"
             "&options=-cidle_in_transaction_session_timeout%%3D10s",
             (unsigned)run.proxy.port, postgres.database);
    run.store = book_open(through, false);
    /* Whatever is connected when it is needed is connected now: a statement's name comes by in its preparation too. */
    must(book_append(run.book, run.store, &run.manner, &error), &error, "the first append");
    for (long i = 0; i < rounds; i++) one_round(&run, i);
    test_forsaken(&run);
    test_unknown(&run);
    test_garbled(&run);
    finish(&run, rounds);
    postgres_fini(&postgres);
    return run.wrong != 0;
}
