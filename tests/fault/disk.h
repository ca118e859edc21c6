/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk for SQLite, in memory: files, locks and shared memory as a file system and a kernel would
 * give them. It writes down everything that changes a file, so that replay.h can say what a power cut
 * would have left at any moment, and it can be told to fail. Sectors have 512 bytes, and a write harms
 * nothing beside itself (as SQLite assumes of the system's own disks).
 *
 * A folder's entry is on the disk once the folder was flushed: by a delete that asks for it, or by
 * the first flush of a new journal, as on unix.
 */
#ifndef VARVE_TESTS_FAULT_DISK_H
#define VARVE_TESTS_FAULT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_SECTOR_BYTES = 512 };

struct disk;

/* Makes an empty disk and SQLite's default out of it; one at a time. */
struct disk *disk_new(void);
/* Every connection must be closed. SQLite is left without this disk, with the system's own as its default. */
void disk_free(struct disk *disk);
/* Removes all files and forgets what was written down. Every connection must be closed. */
void disk_reset(struct disk *disk);

/* ---- what happened ---- */

enum disk_deed { DISK_CREATED, DISK_DELETED, DISK_WROTE, DISK_TRUNCATED, DISK_FLUSHED };

struct disk_operation {
    enum disk_deed deed;
    unsigned file;   /* its number; a file created again under the same name is another file */
    uint64_t offset; /* of a write; the new size of a truncation */
    size_t len;      /* of a write */
    char *bytes;     /* of a write */
    char *name;      /* of a creation or a deletion */
    bool folder;     /* a flush, of the folder too; a deletion, with the folder flushed at once */
    bool lost;       /* the flush that should have kept it failed: it never reaches the disk */
};

struct disk_recording {
    struct disk_operation *operations;
    size_t count;
    size_t capacity;
};

/* How many operations were written down since the disk was made or reset. Any thread. */
size_t disk_operations(struct disk *disk);
/* Hands the recording over, to be freed with disk_recording_free; the disk starts a new one. */
struct disk_recording disk_take_recording(struct disk *disk);
void disk_recording_free(struct disk_recording *recording);

/* ---- files ---- */

/* Puts a file there, in place of what had its name; not written down. */
void disk_put(struct disk *disk, const char *name, const char *bytes, size_t size);
/* A file's content as a reader sees it, borrowed until the next change; false when there is none. */
bool disk_get(struct disk *disk, const char *name, const char **bytes, size_t *size);

/* ---- faults ---- */

enum disk_fault {
    DISK_HEALTHY,
    DISK_EIO,   /* any call fails and does nothing; a flush that fails loses what it should have kept */
    DISK_TORN,  /* a write puts half of its bytes there, then fails like DISK_EIO */
    DISK_FULL,  /* a write or an extension of shared memory finds no room */
    DISK_SHORT, /* a write finds room for half of its bytes */
};

/* The `call`-th call from now that can have this fault has it, and with `for_good` all that follow. */
void disk_fail(struct disk *disk, enum disk_fault fault, uint64_t call, bool for_good);
/* How many calls have failed since disk_fail. */
uint64_t disk_failures(struct disk *disk);

#endif
