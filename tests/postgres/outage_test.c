/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends the server as a crash would, again and again, while two processes append. They ride it out: what is answered
 * INDETERMINATE they repeat with the same ids until it is known. Each acknowledged append is there, each once, what was
 * refused is not.
 *
 *   outage_test STOPS [SEED]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/postgres/book.h"
#include "tests/postgres/server.h"
#include "tests/support/scratch.h"

enum { APPENDS_A_STOP = 20000, PROCESSES = 2, THREADS = 4 };

struct run {
    struct book *book;
    char uri[256];
    unsigned seed;
};

static int append(void *ctx)
{
    struct run *run = ctx;
    const struct manner manner = { .seed = run->seed, .persist = true };
    return book_work(run->book, run->uri, THREADS, &manner);
}

int main(int argc, char **argv)
{
    struct scratch scratch;
    struct run run = { .seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)getpid() };
    long stops = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
    unsigned seed = run.seed;
    char server[192];
    struct findings findings;
    pid_t workers[PROCESSES];
    scratch_init(&scratch);
    snprintf(server, sizeof server, "%s", scratch_path(&scratch, "server"));
    server_do("start", server, NULL);
    server_uri(server, false, run.uri, sizeof run.uri);
    run.book = book_new((size_t)(stops + 1) * APPENDS_A_STOP);
    for (int i = 0; i < PROCESSES; i++) {
        run.seed += THREADS;
        workers[i] = process_start(append, &run);
    }
    for (long i = 0; i < stops; i++) {
        book_await(&run.book->acked, atomic_load(&run.book->acked) + 200, "appends");
        usleep((useconds_t)rand_r(&run.seed) % 20000); /* the moment is meant to be any */
        server_do("immediate-stop", server, NULL);
        server_do("start", server, NULL);
    }
    book_await(&run.book->acked, atomic_load(&run.book->acked) + 200, "appends");
    atomic_store(&run.book->stop, true);
    for (int i = 0; i < PROCESSES; i++) process_end(workers[i]);

    varve_store *store = book_open(run.uri, true);
    book_judge(run.book, store, &findings);
    varve_store_close(store);
    size_t open = 0;
    for (size_t i = 0; i < run.book->size; i++) {
        int answer = atomic_load(&run.book->entries[i].answer);
        open += answer == ASKED || answer == UNKNOWN;
    }
    printf("pg_stops stops=%ld asked=%zu acked=%zu indeterminate=%zu open=%zu events=%" PRIu64 " lost=%" PRIu64
           " moved=%" PRIu64 " duplicated=%" PRIu64 " holes=%" PRIu64 " unasked=%" PRIu64 " seed=%u\n",
           stops, atomic_load(&run.book->count), atomic_load(&run.book->acked), atomic_load(&run.book->unknown), open,
           findings.events, findings.lost, findings.moved, findings.duplicated, findings.holes, findings.unasked, seed);
    bool good = findings_are_good(&findings) && open == 0 && run.book->failed == 0;
    book_free(run.book);
    server_do("stop", server, NULL);
    scratch_fini(&scratch);
    return !good;
}
