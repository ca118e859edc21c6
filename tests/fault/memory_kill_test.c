/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills a store that has just refused an append for want of memory: the file must not hold what was
 * refused. Each of the last allocations fails of an append whose commit makes SQLite extend its index
 * of the write-ahead log, which it does after the commit was written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/access.h"
#include "tests/fault/memory.h"
#include "tests/support/scratch.h"

enum {
    INDEXED_FRAMES = 4062, /* pages of the log that the first piece of its index holds */
    PAGE_BYTES = 4096,
    BIG_BYTES = 120 * PAGE_BYTES,
    LAST_ALLOCATIONS = 20,
};

struct run {
    struct scratch scratch;
    char data[VARVE_DATA_BYTES_MAX];
    uint64_t refused, unknown, accepted, failures;
};

static varve_store *open_store(struct run *run, const char *name)
{
    varve_store *store = NULL;
    varve_error error = { 0 };
    const varve_store_options options = { .durability = VARVE_DURABILITY_RELAXED, .checkpoint_pages = 1000000 };
    if (store_open(&store, &store_sqlite, scratch_path(&run->scratch, name), &options, &error) < 0)
        fprintf(stderr, "%s\n", error.message);
    return store;
}

static varve_status append_bytes(struct run *run, varve_store *store, size_t len, varve_uuid id)
{
    const varve_event event = { .stream = VARVE_STR("s-1"),
                                .type = VARVE_STR("Filled"),
                                .id = id,
                                .data = { run->data, len },
                                .content_type = VARVE_STR("text/plain") };
    return varve_append(store, &(varve_append_request){ .events = &event, .event_count = 1 }, NULL, NULL);
}

static uint64_t frames(varve_store *store)
{
    varve_store_info info = { 0 };
    varve_store_get_info(store, &info, NULL);
    return info.log_file_bytes / (PAGE_BYTES + 24);
}

static void copy_file(struct run *run, const char *from, const char *to)
{
    static char bytes[1 << 16];
    FILE *in = fopen(scratch_path(&run->scratch, from), "rb"), *out = fopen(scratch_path(&run->scratch, to), "wb");
    if (in == NULL || out == NULL) abort();
    for (size_t got; (got = fread(bytes, 1, sizeof bytes, in)) > 0;)
        if (fwrite(bytes, 1, got, out) != got) abort();
    fclose(in);
    if (fclose(out) != 0) abort();
}

static void remove_stores(struct run *run)
{
    static const char *const names[] = { "a.db", "a.db-wal", "a.db-shm", "a.db.lock",
                                         "b.db", "b.db-wal", "b.db-shm", "b.db.lock" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) (void)unlink(scratch_path(&run->scratch, names[i]));
}

/* What a process that starts after the kill finds. */
static bool is_there_after_a_kill(struct run *run, varve_uuid id)
{
    varve_event event;
    varve_buf memory = { 0 };
    copy_file(run, "a.db", "b.db");
    copy_file(run, "a.db-wal", "b.db-wal");
    varve_store *store = open_store(run, "b.db");
    if (store == NULL) abort();
    bool there = varve_event_find(store, id, &event, &memory, NULL) == VARVE_OK;
    varve_buf_fini(&memory);
    varve_store_close(store);
    return there;
}

/* Returns how many allocations the append made; its `nth` failed. */
static uint64_t one_life(struct run *run, uint64_t nth)
{
    remove_stores(run);
    varve_store *store = open_store(run, "a.db");
    if (store == NULL) abort();
    while (frames(store) + BIG_BYTES / PAGE_BYTES < INDEXED_FRAMES)
        if (append_bytes(run, store, BIG_BYTES / 2, (varve_uuid){ { 0 } }) < 0) abort();
    const varve_uuid id = varve_uuid_new();
    memory_fail(nth, false);
    varve_status status = append_bytes(run, store, 2 * BIG_BYTES, id);
    uint64_t allocations = memory_count();
    memory_fail(0, false);
    bool there = is_there_after_a_kill(run, id);
    run->accepted += status >= 0;
    run->refused += status == VARVE_NOMEM;
    run->unknown += status == VARVE_INDETERMINATE;
    if ((status == VARVE_NOMEM && there) || (status >= 0 && !there)) {
        run->failures++;
        fprintf(stderr, "allocation %" PRIu64 ": answered \"%s\" and is %s after a kill\n", nth,
                varve_status_word(status), there ? "there" : "not there");
    }
    /* The store goes on, and asking again settles what was unknown. */
    if (append_bytes(run, store, 2 * BIG_BYTES, id) < 0 || append_bytes(run, store, 10, varve_uuid_new()) < 0 ||
        varve_store_verify(store, NULL, &(uint64_t){ 0 }, NULL) < 0) {
        run->failures++;
        fprintf(stderr, "allocation %" PRIu64 ": the store did not go on\n", nth);
    }
    varve_store_close(store);
    return allocations;
}

int main(void)
{
    static struct run run;
    if (!memory_init()) return 1;
    scratch_init(&run.scratch);
    memset(run.data, 'x', sizeof run.data);
    uint64_t allocations = one_life(&run, UINT64_MAX);
    for (uint64_t i = 0; i < LAST_ALLOCATIONS && i < allocations; i++) (void)one_life(&run, allocations - i);
    printf("memory_kill allocations=%" PRIu64 " accepted=%" PRIu64 " refused=%" PRIu64 " unknown=%" PRIu64
           " wrong=%" PRIu64 "\n",
           allocations, run.accepted, run.refused, run.unknown, run.failures);
    scratch_fini(&run.scratch);
    return run.failures == 0 && run.accepted > 0 && run.unknown > 0 ? 0 : 1;
}
