/* SPDX-License-Identifier: Apache-2.0 */
/* The disk that is measured, and a folder on it. */
#ifndef VARVE_BENCH_PLACE_H
#define VARVE_BENCH_PLACE_H

#include <varve/event.h>

#define PLACE_BYTES 512 /* of a path */

/* Makes a folder of its own below `parent`. VARVE_DENIED on a file system that lives in memory: nothing is flushed. */
varve_status place_open(char folder[PLACE_BYTES], const char *parent, varve_error *error);
/* Removes the folder and all that is in it. */
void place_close(const char *folder);
/* Removes a file or a folder with all that is in it; what is not there is fine. */
void place_remove(const char *path);

/* "FOLDER/name" */
varve_status place_path(char path[PLACE_BYTES], const char *folder, const char *name, varve_error *error);
varve_status place_copy(const char *from, const char *to, varve_error *error);

/* The kind of file system a path is on, such as "ext4"; static. */
const char *place_kind(const char *path);

/*
 * How long a flush takes here: writes and flushes a page (pwrite, fdatasync) of a file that has its
 * size already, `count` times. Sets the median and the 99th percentile.
 */
varve_status place_flush(const char *folder, size_t count, uint64_t *p50_ns, uint64_t *p99_ns, varve_error *error);

/* Makes a file of `bytes` zeros that are on the disk, open for writing; `*fd` is the caller's. */
varve_status place_filled(const char *path, size_t bytes, int *fd, varve_error *error);

#endif
