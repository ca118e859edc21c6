/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/measure.h"

enum { PAGE = 4096 };

static varve_status failed(const char *path, varve_error *error)
{
    varve_status status = errno == ENOSPC ? VARVE_FULL : VARVE_IO;
    varve_error_set(error, status, "%s: %s", path, strerror(errno));
    return status;
}

static long magic(const char *path)
{
    struct statfs info;
    return statfs(path, &info) == 0 ? (long)info.f_type : 0;
}

const char *place_kind(const char *path)
{
    switch (magic(path)) {
    case EXT4_SUPER_MAGIC:
        return "ext4";
    case XFS_SUPER_MAGIC:
        return "xfs";
    case BTRFS_SUPER_MAGIC:
        return "btrfs";
    case OVERLAYFS_SUPER_MAGIC:
        return "overlayfs";
    case TMPFS_MAGIC:
        return "tmpfs";
    case RAMFS_MAGIC:
        return "ramfs";
    default:
        return "another file system";
    }
}

varve_status place_open(char folder[PLACE_BYTES], const char *parent, varve_error *error)
{
    long kind = magic(parent);
    if (kind == TMPFS_MAGIC || kind == RAMFS_MAGIC)
        return varve_error_set(error, VARVE_DENIED, "%s is in memory (%s), where nothing is flushed: give --dir",
                               parent, place_kind(parent));
    varve_status status = place_path(folder, parent, "varve-bench-XXXXXX", error);
    if (status >= 0 && mkdtemp(folder) == NULL) status = failed(folder, error);
    return status;
}

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

void place_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void place_close(const char *folder)
{
    place_remove(folder);
}

varve_status place_path(char path[PLACE_BYTES], const char *folder, const char *name, varve_error *error)
{
    int len = snprintf(path, PLACE_BYTES, "%s/%s", folder, name);
    if (len > 0 && len < PLACE_BYTES) return VARVE_OK;
    return varve_error_set(error, VARVE_TOO_LARGE, "the path of the folder is too long");
}

varve_status place_copy(const char *from, const char *to, varve_error *error)
{
    varve_status status = VARVE_OK;
    struct stat file = { 0 };
    int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
    if (in < 0 || fstat(in, &file) != 0) status = failed(from, error);
    if (status >= 0) out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (status >= 0 && out < 0) status = failed(to, error);
    for (off_t done = 0; status >= 0 && done < file.st_size;)
        if (sendfile(out, in, &done, (size_t)(file.st_size - done)) <= 0) status = failed(to, error);
    if (status >= 0 && fsync(out) != 0) status = failed(to, error);
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    return status;
}

varve_status place_filled(const char *path, size_t bytes, int *fd, varve_error *error)
{
    static const char zeros[64 * PAGE];
    *fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (*fd < 0) return failed(path, error);
    bool written = true;
    for (size_t done = 0; written && done < bytes; done += sizeof zeros) {
        size_t part = bytes - done < sizeof zeros ? bytes - done : sizeof zeros;
        written = pwrite(*fd, zeros, part, (off_t)done) == (ssize_t)part;
    }
    if (written && fsync(*fd) == 0) return VARVE_OK;
    varve_status status = failed(path, error);
    close(*fd);
    *fd = -1;
    return status;
}

varve_status place_flush(const char *folder, size_t count, uint64_t *p50_ns, uint64_t *p99_ns, varve_error *error)
{
    char path[PLACE_BYTES];
    char page[PAGE] = { 0 };
    int fd = -1;
    uint64_t *ns = calloc(count, sizeof *ns);
    if (ns == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    varve_status status = place_path(path, folder, "flush", error);
    if (status >= 0) status = place_filled(path, count * PAGE, &fd, error);
    for (size_t i = 0; i < count && status >= 0; i++) {
        uint64_t start = clock_ns();
        memset(page, (int)i, sizeof page);
        if (pwrite(fd, page, sizeof page, (off_t)(i * PAGE)) != PAGE || fdatasync(fd) != 0)
            status = failed(path, error);
        ns[i] = clock_ns() - start;
    }
    if (status >= 0) {
        *p50_ns = measure_percentile(ns, count, 0.50);
        *p99_ns = measure_percentile(ns, count, 0.99);
    }
    if (fd >= 0) close(fd);
    free(ns);
    return status;
}
