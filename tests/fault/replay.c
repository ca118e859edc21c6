/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fault/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/random.h"

enum { FILES = 64, NAMES = 8 };

struct content {
    char *bytes;
    size_t size, capacity;
};

/* A disk's state: the folder, and what is in the files, by number. */
struct platter {
    struct {
        const char *name; /* the recording's */
        unsigned file;
    } names[NAMES];
    size_t name_count;
    struct content files[FILES];
};

struct replay {
    const struct disk_recording *recording;
    size_t at;     /* operations taken in */
    size_t oldest; /* no operation before this one is still unflushed */
    bool *settled; /* by operation: it is on the platter, or never will be */
    struct platter flushed;
};

static void *must(void *memory)
{
    if (memory != NULL) return memory;
    fprintf(stderr, "the replay is out of memory\n");
    abort();
}

/* ---- the platter ---- */

static void resize(struct content *content, size_t size)
{
    if (size > content->capacity) {
        content->capacity = size * 2;
        content->bytes = must(realloc(content->bytes, content->capacity));
    }
    if (size > content->size) memset(content->bytes + content->size, 0, size - content->size);
    content->size = size;
}

static void write_at(struct content *content, size_t offset, const char *bytes, size_t len)
{
    if (len == 0) return;
    if (offset + len > content->size) resize(content, offset + len);
    memcpy(content->bytes + offset, bytes, len);
}

static void unlink_name(struct platter *platter, const char *name)
{
    for (size_t i = 0; i < platter->name_count; i++) {
        if (strcmp(platter->names[i].name, name) != 0) continue;
        platter->names[i] = platter->names[--platter->name_count];
        return;
    }
}

static void apply(struct platter *platter, const struct disk_operation *operation)
{
    struct content *content = &platter->files[operation->file];
    switch (operation->deed) {
    case DISK_CREATED:
        unlink_name(platter, operation->name);
        if (platter->name_count == NAMES) must(NULL);
        platter->names[platter->name_count].name = operation->name;
        platter->names[platter->name_count++].file = operation->file;
        break;
    case DISK_DELETED:
        unlink_name(platter, operation->name);
        break;
    case DISK_WROTE:
        write_at(content, operation->offset, operation->bytes, operation->len);
        break;
    case DISK_TRUNCATED:
        if (operation->offset < content->size) resize(content, operation->offset);
        break;
    case DISK_FLUSHED:
        break;
    }
}

static void platter_fini(struct platter *platter)
{
    for (size_t i = 0; i < FILES; i++) free(platter->files[i].bytes);
}

static void platter_copy(struct platter *copy, const struct platter *original)
{
    *copy = *original;
    for (size_t i = 0; i < FILES; i++) {
        copy->files[i] = (struct content){ 0 };
        write_at(&copy->files[i], 0, original->files[i].bytes, original->files[i].size);
    }
}

/* ---- walking ---- */

static bool changes_folder(const struct disk_operation *operation)
{
    return operation->deed == DISK_CREATED || operation->deed == DISK_DELETED;
}

/* Puts everything unflushed on the platter that a flush of `file` (or, with `folder`, of the folder) covers. */
static void flush(struct replay *replay, unsigned file, bool folder)
{
    for (size_t i = replay->oldest; i < replay->at; i++) {
        const struct disk_operation *operation = &replay->recording->operations[i];
        bool covered = changes_folder(operation) ? folder : operation->file == file;
        if (replay->settled[i] || !covered) continue;
        if (!operation->lost) apply(&replay->flushed, operation);
        replay->settled[i] = true;
    }
    while (replay->oldest < replay->at && replay->settled[replay->oldest]) replay->oldest++;
}

struct replay *replay_new(const struct disk_recording *recording)
{
    struct replay *replay = must(calloc(1, sizeof *replay));
    replay->recording = recording;
    replay->settled = must(calloc(recording->count + 1, sizeof *replay->settled));
    return replay;
}

void replay_free(struct replay *replay)
{
    platter_fini(&replay->flushed);
    free(replay->settled);
    free(replay);
}

void replay_step(struct replay *replay)
{
    const struct disk_operation *operation = &replay->recording->operations[replay->at++];
    if (operation->deed == DISK_FLUSHED) {
        replay->settled[replay->at - 1] = true;
        flush(replay, operation->file, operation->folder);
    } else if (operation->deed == DISK_DELETED && operation->folder) {
        flush(replay, operation->file, true);
    }
}

bool replay_is_settled(const struct replay *replay)
{
    return replay->oldest == replay->at;
}

/* ---- the cut ---- */

/* Writes those sectors of an operation that the coin keeps. */
static void apply_mixed(struct platter *platter, const struct disk_operation *operation, uint64_t *coin)
{
    if (operation->deed != DISK_WROTE) {
        if (random_next(coin) % 2 == 0) apply(platter, operation);
        return;
    }
    for (size_t done = 0; done < operation->len;) {
        size_t at = operation->offset + done, part = DISK_SECTOR_BYTES - at % DISK_SECTOR_BYTES;
        if (part > operation->len - done) part = operation->len - done;
        if (random_next(coin) % 2 == 0) write_at(&platter->files[operation->file], at, operation->bytes + done, part);
        done += part;
    }
}

/* Writes an operation up to the boundary of a sector, which may be none of it or all but a sector. */
static void apply_torn(struct platter *platter, const struct disk_operation *operation, uint64_t *coin)
{
    size_t first = DISK_SECTOR_BYTES - operation->offset % DISK_SECTOR_BYTES;
    size_t kept = 0;
    if (first < operation->len)
        kept = first + random_next(coin) % ((operation->len - first) / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES;
    if (kept >= operation->len || random_next(coin) % 8 == 0) kept = 0;
    write_at(&platter->files[operation->file], operation->offset, operation->bytes, kept);
}

static size_t last_write(const struct replay *replay)
{
    for (size_t i = replay->at; i > replay->oldest; i--)
        if (!replay->settled[i - 1] && replay->recording->operations[i - 1].deed == DISK_WROTE) return i - 1;
    return SIZE_MAX;
}

void replay_rebuild(const struct replay *replay, enum cut cut, uint64_t seed, struct disk *disk)
{
    struct platter platter;
    uint64_t coin = seed;
    size_t torn = cut == CUT_TORN ? last_write(replay) : SIZE_MAX;
    platter_copy(&platter, &replay->flushed);
    for (size_t i = replay->oldest; i < replay->at && cut != CUT_DROPPED; i++) {
        const struct disk_operation *operation = &replay->recording->operations[i];
        if (replay->settled[i] || operation->lost) continue;
        if (cut == CUT_MIXED)
            apply_mixed(&platter, operation, &coin);
        else if (i == torn)
            apply_torn(&platter, operation, &coin);
        else
            apply(&platter, operation);
    }
    disk_reset(disk);
    for (size_t i = 0; i < platter.name_count; i++) {
        const struct content *content = &platter.files[platter.names[i].file];
        disk_put(disk, platter.names[i].name, content->bytes, content->size);
    }
    platter_fini(&platter);
}
