/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flips one bit of a store's files, opens it and reads everything.
 *
 * In the database file: what is read is right, or there is an error, or the verification tells; never
 * is an event wrong, and what a read notices the verification notices too.
 *
 * In the write-ahead log: SQLite's checksums end its recovery in front of the damaged frame, as they
 * do at the torn end that a crash leaves, and nothing can tell the two apart. So the store is then as
 * it was after the last commit that stands whole in front of the damage: to the event, without a hole,
 * and without a word.
 *
 *   bit_flip_test FLIPS [SEED]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/access.h"
#include "tests/fault/ledger.h"
#include "tests/fault/random.h"
#include "tests/support/scratch.h"

enum { APPENDS = 70, WAL_HEADER_BYTES = 32, FRAME_BYTES = 24 + 4096 };

struct image {
    char *bytes;
    size_t size;
};

struct run {
    struct scratch scratch;
    char path[192], wal_path[200];
    struct disk *disk;
    struct ledger ledger;
    struct image young, wal;   /* the database without a checkpoint, and its write-ahead log */
    struct image whole;        /* the database with everything in it */
    size_t wal_bytes[APPENDS]; /* the log's size after each append … */
    uint64_t heads[APPENDS];   /* … and the head by then */
    uint64_t random;
    uint64_t refused, noticed, harmless, omitted, cut_short, failures;
};

static void fail_flip(struct run *run, const char *file, size_t bit, const char *what)
{
    if (run->failures++ < 10) fprintf(stderr, "bit %zu of byte %zu of the %s: %s\n", bit % 8, bit / 8, file, what);
}

static struct image copy_image(struct disk *disk, const char *name)
{
    const char *bytes = NULL;
    struct image image = { 0 };
    if (!disk_get(disk, name, &bytes, &image.size)) abort();
    image.bytes = malloc(image.size);
    if (image.bytes == NULL) abort();
    memcpy(image.bytes, bytes, image.size);
    return image;
}

static varve_store *open_store(struct run *run, varve_error *error)
{
    varve_store *store = NULL;
    (void)store_open(&store, &store_sqlite, run->path, &(varve_store_options){ .checkpoint_pages = 1000000 }, error);
    return store;
}

static bool build(struct run *run)
{
    varve_error error = { 0 };
    const char *bytes = NULL;
    varve_store *store = open_store(run, &error);
    if (store == NULL) return false;
    for (size_t i = 0; i < APPENDS; i++) {
        (void)ledger_append(&run->ledger, store);
        if (!disk_get(run->disk, run->wal_path, &bytes, &run->wal_bytes[i])) abort();
        varve_store_head(store, &run->heads[i], NULL);
    }
    run->young = copy_image(run->disk, run->path);
    run->wal = copy_image(run->disk, run->wal_path);
    varve_store_close(store);
    run->whole = copy_image(run->disk, run->path);
    return true;
}

static void flip(const struct image *image, size_t bit)
{
    image->bytes[bit / 8] = (char)(image->bytes[bit / 8] ^ (1 << bit % 8));
}

static void flip_database(struct run *run)
{
    const struct ledger_rules rules = { .before = SIZE_MAX };
    struct ledger_findings findings = { 0 };
    varve_error error = { 0 };
    size_t bit = random_next(&run->random) % (run->whole.size * 8);
    disk_reset(run->disk);
    flip(&run->whole, bit);
    disk_put(run->disk, run->path, run->whole.bytes, run->whole.size);
    flip(&run->whole, bit);
    varve_store *store = open_store(run, &error);
    if (store == NULL) {
        run->refused++;
        return;
    }
    bool right = ledger_check(&run->ledger, store, &rules, &findings), missing = findings.lost + findings.holes > 0;
    if (findings.wrong > 0) fail_flip(run, "database", bit, findings.first);
    /* What reads notice, the verification must notice too. */
    if (findings.errors > 0 && findings.verify == 0) fail_flip(run, "database", bit, findings.first);
    if (missing && findings.errors == 0 && findings.verify == 0) fail_flip(run, "database", bit, findings.first);
    run->noticed += findings.errors > 0;
    run->omitted += missing && findings.errors == 0;
    run->harmless += right || (findings.errors == 0 && !missing);
    varve_store_close(store);
}

/* The head after the last commit that ends before the frame that the byte is in. */
static uint64_t head_before(const struct run *run, size_t byte)
{
    uint64_t head = 0;
    if (byte < WAL_HEADER_BYTES) return 0;
    size_t frame = WAL_HEADER_BYTES + (byte - WAL_HEADER_BYTES) / FRAME_BYTES * FRAME_BYTES;
    for (size_t i = 0; i < APPENDS && run->wal_bytes[i] <= frame; i++) head = run->heads[i];
    return head;
}

static void flip_wal(struct run *run)
{
    const struct ledger_rules rules = { .before = SIZE_MAX, .suffix = true };
    struct ledger_findings findings = { 0 };
    varve_error error = { 0 };
    uint64_t head = 0;
    size_t bit = random_next(&run->random) % (run->wal.size * 8);
    disk_reset(run->disk);
    flip(&run->wal, bit);
    disk_put(run->disk, run->path, run->young.bytes, run->young.size);
    disk_put(run->disk, run->wal_path, run->wal.bytes, run->wal.size);
    flip(&run->wal, bit);
    varve_store *store = open_store(run, &error);
    if (store == NULL) {
        fail_flip(run, "write-ahead log", bit, error.message);
        return;
    }
    varve_store_head(store, &head, NULL);
    if (head != head_before(run, bit / 8)) fail_flip(run, "write-ahead log", bit, "recovery ended at another commit");
    if (!ledger_check(&run->ledger, store, &rules, &findings)) fail_flip(run, "write-ahead log", bit, findings.first);
    run->cut_short += head < run->heads[APPENDS - 1];
    varve_store_close(store);
}

int main(int argc, char **argv)
{
    static struct run run;
    unsigned long flips = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
    uint64_t seed = (uint64_t)getpid();
    if (argc > 2) seed = strtoull(argv[2], NULL, 10);
    run.random = seed;
    scratch_init(&run.scratch);
    snprintf(run.path, sizeof run.path, "%s", scratch_path(&run.scratch, "log.db"));
    snprintf(run.wal_path, sizeof run.wal_path, "%s-wal", run.path);
    FILE *file = fopen(run.path, "w"); /* found by the store, so that it does not flush the real folder every time */
    if (file == NULL || fclose(file) != 0) return 1;
    run.disk = disk_new();
    ledger_init(&run.ledger, run.disk);
    bool built = build(&run);
    for (unsigned long i = 0; i < flips && built; i++) {
        flip_database(&run);
        flip_wal(&run);
    }
    printf("bit_flip database flips=%lu refused=%" PRIu64 " noticed=%" PRIu64 " told_by_verify=%" PRIu64
           " harmless=%" PRIu64 "; write-ahead log flips=%lu cut_short=%" PRIu64 "; wrong=%" PRIu64 " seed=%" PRIu64
           "\n",
           flips, run.refused, run.noticed, run.omitted, run.harmless, flips, run.cut_short, run.failures, seed);
    free(run.young.bytes);
    free(run.wal.bytes);
    free(run.whole.bytes);
    ledger_fini(&run.ledger);
    disk_free(run.disk);
    scratch_fini(&run.scratch);
    return built && run.failures == 0 && run.noticed + run.refused > 0 ? 0 : 1;
}
