/* SPDX-License-Identifier: Apache-2.0 */
/* The VFS is described at https://www.sqlite.org/vfs.html, its locks and shared memory in sqlite3.h. */
#include "tests/fault/disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 64, REGIONS = 32 };

struct handle;

struct file {
    char *name; /* NULL: a temporary file, of which nothing is written down */
    bool linked;
    char *bytes;
    size_t size, capacity;
    size_t unflushed; /* the operation after the latest flush */
    struct handle *handles;
    char *regions[REGIONS]; /* shared memory, gone with the last who maps it */
    int region_bytes;
};

struct disk {
    sqlite3_vfs vfs;
    pthread_mutex_t mutex;
    struct file *files[FILES]; /* by number */
    unsigned file_count;
    struct disk_recording recording;
    enum disk_fault fault;
    uint64_t call, calls, failures;
    bool for_good;
};

/* One open file; what SQLite sees is `base`. */
struct handle {
    sqlite3_file base;
    struct disk *disk;
    struct file *file;
    unsigned number;
    struct handle *next;        /* on the same file */
    int level;                  /* SQLITE_LOCK_… */
    bool maps;                  /* uses the shared memory */
    unsigned shared, exclusive; /* locks on it, a bit each */
    bool names_folder;          /* a new journal: its first flush is the folder's too */
};

static void *must(void *memory)
{
    if (memory != NULL) return memory;
    fprintf(stderr, "the test's disk is out of memory\n");
    abort();
}

/* ---- calls and faults ---- */

static bool can_fail(enum disk_fault fault, bool needs_room)
{
    return fault == DISK_EIO || (fault != DISK_HEALTHY && needs_room);
}

/* Every call of SQLite's starts here and ends with `end`. False: it has to fail. */
static bool begin(struct disk *disk, bool needs_room)
{
    pthread_mutex_lock(&disk->mutex);
    if (!can_fail(disk->fault, needs_room)) return true;
    disk->calls++;
    bool fails = disk->calls == disk->call || (disk->for_good && disk->calls > disk->call);
    disk->failures += fails;
    return !fails;
}

static int end(struct disk *disk, int code)
{
    pthread_mutex_unlock(&disk->mutex);
    return code;
}

static struct handle *handle_of(sqlite3_file *base)
{
    return (struct handle *)base;
}

static struct disk_operation *record(struct disk *disk, enum disk_deed deed, unsigned file)
{
    struct disk_recording *recording = &disk->recording;
    if (recording->count == recording->capacity) {
        recording->capacity = recording->capacity * 2 + 1024;
        recording->operations =
            must(realloc(recording->operations, recording->capacity * sizeof *recording->operations));
    }
    struct disk_operation *operation = &recording->operations[recording->count++];
    *operation = (struct disk_operation){ .deed = deed, .file = file };
    if (deed == DISK_CREATED || deed == DISK_DELETED) operation->name = must(strdup(disk->files[file]->name));
    return operation;
}

/* ---- content ---- */

static void resize(struct file *file, size_t size)
{
    if (size > file->capacity) {
        file->capacity = size * 2;
        file->bytes = must(realloc(file->bytes, file->capacity));
    }
    if (size > file->size) memset(file->bytes + file->size, 0, size - file->size);
    file->size = size;
}

static struct file *find_file(struct disk *disk, const char *name, unsigned *number)
{
    for (unsigned i = disk->file_count; i > 0; i--) {
        struct file *file = disk->files[i - 1];
        if (!file->linked || strcmp(file->name, name) != 0) continue;
        if (number != NULL) *number = i - 1;
        return file;
    }
    return NULL;
}

static struct file *add_file(struct disk *disk, const char *name, unsigned *number)
{
    if (disk->file_count == FILES) must(NULL);
    struct file *file = must(calloc(1, sizeof *file));
    if (name != NULL) {
        file->name = must(strdup(name));
        file->linked = true;
    }
    *number = disk->file_count++;
    disk->files[*number] = file;
    return file;
}

static int disk_read(sqlite3_file *base, void *bytes, int amount, sqlite3_int64 offset)
{
    struct handle *handle = handle_of(base);
    const struct file *file = handle->file;
    if (!begin(handle->disk, false)) return end(handle->disk, SQLITE_IOERR_READ);
    size_t at = (size_t)offset, want = (size_t)amount, got = 0;
    if (at < file->size) got = file->size - at < want ? file->size - at : want;
    if (got > 0) memcpy(bytes, file->bytes + at, got);
    if (got < want) memset((char *)bytes + got, 0, want - got);
    return end(handle->disk, got < want ? SQLITE_IOERR_SHORT_READ : SQLITE_OK);
}

static int disk_write(sqlite3_file *base, const void *bytes, int amount, sqlite3_int64 offset)
{
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    size_t at = (size_t)offset, len = (size_t)amount;
    int code = SQLITE_OK;
    if (!begin(handle->disk, true)) {
        enum disk_fault fault = handle->disk->fault;
        code = fault == DISK_EIO || fault == DISK_TORN ? SQLITE_IOERR_WRITE : SQLITE_FULL;
        len = fault == DISK_TORN || fault == DISK_SHORT ? len / 2 : 0;
    }
    if (len == 0) return end(handle->disk, code);
    if (at + len > file->size) resize(file, at + len);
    memcpy(file->bytes + at, bytes, len);
    if (file->name != NULL) {
        struct disk_operation *write = record(handle->disk, DISK_WROTE, handle->number);
        write->offset = at;
        write->len = len;
        write->bytes = must(malloc(len));
        memcpy(write->bytes, bytes, len);
    }
    return end(handle->disk, code);
}

static int disk_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct handle *handle = handle_of(base);
    if (!begin(handle->disk, false)) return end(handle->disk, SQLITE_IOERR_TRUNCATE);
    if ((size_t)size < handle->file->size) resize(handle->file, (size_t)size);
    if (handle->file->name != NULL) record(handle->disk, DISK_TRUNCATED, handle->number)->offset = (uint64_t)size;
    return end(handle->disk, SQLITE_OK);
}

/* The kernel may drop what it could not write and report success the next time. */
static void lose_unflushed(struct disk *disk, const struct handle *handle)
{
    struct disk_recording *recording = &disk->recording;
    for (size_t i = handle->file->unflushed; i < recording->count; i++) {
        struct disk_operation *operation = &recording->operations[i];
        if (operation->file == handle->number && (operation->deed == DISK_WROTE || operation->deed == DISK_TRUNCATED))
            operation->lost = true;
    }
}

static int disk_sync(sqlite3_file *base, int flags)
{
    struct handle *handle = handle_of(base);
    struct disk *disk = handle->disk;
    (void)flags;
    bool works = begin(disk, false);
    if (!works) lose_unflushed(disk, handle);
    if (works && handle->file->name != NULL) {
        record(disk, DISK_FLUSHED, handle->number)->folder = handle->names_folder;
        handle->names_folder = false;
    }
    handle->file->unflushed = disk->recording.count;
    return end(disk, works ? SQLITE_OK : SQLITE_IOERR_FSYNC);
}

static int disk_size(sqlite3_file *base, sqlite3_int64 *size)
{
    struct handle *handle = handle_of(base);
    if (!begin(handle->disk, false)) return end(handle->disk, SQLITE_IOERR_FSTAT);
    *size = (sqlite3_int64)handle->file->size;
    return end(handle->disk, SQLITE_OK);
}

/* ---- locks ---- */

/* The strongest lock that another handle has on the file. */
static int level_of_others(const struct handle *handle)
{
    int level = SQLITE_LOCK_NONE;
    for (const struct handle *other = handle->file->handles; other != NULL; other = other->next)
        if (other != handle && other->level > level) level = other->level;
    return level;
}

static int disk_lock(sqlite3_file *base, int level)
{
    struct handle *handle = handle_of(base);
    if (!begin(handle->disk, false)) return end(handle->disk, SQLITE_IOERR_LOCK);
    int others = level_of_others(handle);
    if (level <= handle->level) return end(handle->disk, SQLITE_OK);
    if (others >= (level == SQLITE_LOCK_SHARED ? SQLITE_LOCK_PENDING : SQLITE_LOCK_RESERVED))
        return end(handle->disk, SQLITE_BUSY);
    bool wait = level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED;
    handle->level = wait ? SQLITE_LOCK_PENDING : level;
    return end(handle->disk, wait ? SQLITE_BUSY : SQLITE_OK);
}

/* Giving a lock back cannot fail, here or on unix. */
static int disk_unlock(sqlite3_file *base, int level)
{
    struct handle *handle = handle_of(base);
    pthread_mutex_lock(&handle->disk->mutex);
    if (level < handle->level) handle->level = level;
    return end(handle->disk, SQLITE_OK);
}

static int disk_check_reserved(sqlite3_file *base, int *reserved)
{
    struct handle *handle = handle_of(base);
    if (!begin(handle->disk, false)) return end(handle->disk, SQLITE_IOERR_CHECKRESERVEDLOCK);
    *reserved = handle->level >= SQLITE_LOCK_RESERVED || level_of_others(handle) >= SQLITE_LOCK_RESERVED;
    return end(handle->disk, SQLITE_OK);
}

/* ---- shared memory ---- */

static int disk_shm_map(sqlite3_file *base, int region, int bytes, int extend, void volatile **out)
{
    struct handle *handle = handle_of(base);
    struct file *file = handle->file;
    bool there = region < REGIONS && file->regions[region] != NULL;
    *out = NULL;
    if (!begin(handle->disk, !there && extend != 0)) return end(handle->disk, SQLITE_IOERR_SHMSIZE);
    if (region >= REGIONS) return end(handle->disk, SQLITE_IOERR_SHMMAP);
    if (!there && extend != 0) file->regions[region] = must(calloc(1, (size_t)bytes));
    handle->maps = true;
    *out = file->regions[region];
    return end(handle->disk, SQLITE_OK);
}

static int disk_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
    struct handle *handle = handle_of(base);
    unsigned mask = ((1u << count) - 1u) << first, taken = 0;
    bool unlock = (flags & SQLITE_SHM_UNLOCK) != 0;
    if (unlock) pthread_mutex_lock(&handle->disk->mutex);
    if (!unlock && !begin(handle->disk, false)) return end(handle->disk, SQLITE_IOERR_SHMLOCK);
    if (unlock) {
        handle->shared &= ~mask;
        handle->exclusive &= ~mask;
        return end(handle->disk, SQLITE_OK);
    }
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    for (const struct handle *other = handle->file->handles; other != NULL; other = other->next)
        if (other != handle) taken |= other->exclusive | (exclusive ? other->shared : 0);
    if ((taken & mask) != 0) return end(handle->disk, SQLITE_BUSY);
    if (exclusive)
        handle->exclusive |= mask;
    else
        handle->shared |= mask;
    return end(handle->disk, SQLITE_OK);
}

static void disk_shm_barrier(sqlite3_file *base)
{
    struct handle *handle = handle_of(base);
    pthread_mutex_lock(&handle->disk->mutex);
    pthread_mutex_unlock(&handle->disk->mutex);
}

static int disk_shm_unmap(sqlite3_file *base, int delete)
{
    struct handle *handle = handle_of(base);
    bool used = false;
    (void)delete;
    pthread_mutex_lock(&handle->disk->mutex);
    handle->maps = false;
    handle->shared = handle->exclusive = 0;
    for (const struct handle *other = handle->file->handles; other != NULL; other = other->next) used |= other->maps;
    for (size_t i = 0; i < REGIONS && !used; i++) {
        free(handle->file->regions[i]);
        handle->file->regions[i] = NULL;
    }
    return end(handle->disk, SQLITE_OK);
}

/* ---- opening and closing ---- */

static int disk_close(sqlite3_file *base)
{
    struct handle *handle = handle_of(base), **link = &handle->file->handles;
    pthread_mutex_lock(&handle->disk->mutex);
    while (*link != handle) link = &(*link)->next;
    *link = handle->next;
    if (handle->file->name == NULL) {
        free(handle->file->bytes);
        handle->file->bytes = NULL;
        handle->file->size = handle->file->capacity = 0;
    }
    return end(handle->disk, SQLITE_OK);
}

static int disk_control(sqlite3_file *base, int what, void *argument)
{
    (void)base;
    (void)what;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int disk_sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096; /* what the system's own disks say */
}

static int disk_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = disk_close,
    .xRead = disk_read,
    .xWrite = disk_write,
    .xTruncate = disk_truncate,
    .xSync = disk_sync,
    .xFileSize = disk_size,
    .xLock = disk_lock,
    .xUnlock = disk_unlock,
    .xCheckReservedLock = disk_check_reserved,
    .xFileControl = disk_control,
    .xSectorSize = disk_sector_size,
    .xDeviceCharacteristics = disk_characteristics,
    .xShmMap = disk_shm_map,
    .xShmLock = disk_shm_lock,
    .xShmBarrier = disk_shm_barrier,
    .xShmUnmap = disk_shm_unmap,
};

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out_flags)
{
    struct disk *disk = vfs->pAppData;
    struct handle *handle = handle_of(base);
    bool journal = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
    *handle = (struct handle){ .disk = disk };
    if (!begin(disk, false)) return end(disk, SQLITE_CANTOPEN);
    handle->file = name == NULL ? NULL : find_file(disk, name, &handle->number);
    if (handle->file == NULL) {
        if ((flags & SQLITE_OPEN_CREATE) == 0) return end(disk, SQLITE_CANTOPEN);
        handle->file = add_file(disk, name, &handle->number);
        if (name != NULL) record(disk, DISK_CREATED, handle->number);
    }
    handle->names_folder = journal && (flags & SQLITE_OPEN_CREATE) != 0;
    handle->next = handle->file->handles;
    handle->file->handles = handle;
    handle->base.pMethods = &methods;
    if (out_flags != NULL) *out_flags = flags;
    return end(disk, SQLITE_OK);
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    struct disk *disk = vfs->pAppData;
    unsigned number = 0;
    if (!begin(disk, false)) return end(disk, SQLITE_IOERR_DELETE);
    struct file *file = find_file(disk, name, &number);
    if (file == NULL) return end(disk, SQLITE_IOERR_DELETE_NOENT);
    file->linked = false;
    record(disk, DISK_DELETED, number)->folder = sync_folder != 0;
    return end(disk, SQLITE_OK);
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    struct disk *disk = vfs->pAppData;
    (void)flags;
    if (!begin(disk, false)) return end(disk, SQLITE_IOERR_ACCESS);
    *result = find_file(disk, name, NULL) != NULL;
    return end(disk, SQLITE_OK);
}

static int disk_full_name(sqlite3_vfs *vfs, const char *name, int size, char *full)
{
    (void)vfs;
    return snprintf(full, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* ---- the test's side ---- */

struct disk *disk_new(void)
{
    struct disk *disk = must(calloc(1, sizeof *disk));
    const sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    pthread_mutex_init(&disk->mutex, NULL);
    /* Time, randomness and waiting stay the system's, which do not look at pAppData. */
    disk->vfs = *system;
    disk->vfs.iVersion = 2;
    disk->vfs.szOsFile = (int)sizeof(struct handle);
    disk->vfs.zName = "test-disk";
    disk->vfs.pAppData = disk;
    disk->vfs.xOpen = disk_open;
    disk->vfs.xDelete = disk_delete;
    disk->vfs.xAccess = disk_access;
    disk->vfs.xFullPathname = disk_full_name;
    if (sqlite3_vfs_register(&disk->vfs, 1) != SQLITE_OK) must(NULL);
    return disk;
}

void disk_free(struct disk *disk)
{
    disk_reset(disk);
    sqlite3_vfs_unregister(&disk->vfs);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

static void file_free(struct file *file)
{
    for (size_t i = 0; i < REGIONS; i++) free(file->regions[i]);
    free(file->bytes);
    free(file->name);
    free(file);
}

void disk_reset(struct disk *disk)
{
    disk_recording_free(&disk->recording);
    for (unsigned i = 0; i < disk->file_count; i++) file_free(disk->files[i]);
    disk->file_count = 0;
    disk->fault = DISK_HEALTHY;
}

size_t disk_operations(struct disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    size_t count = disk->recording.count;
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

struct disk_recording disk_take_recording(struct disk *disk)
{
    struct disk_recording recording = disk->recording;
    disk->recording = (struct disk_recording){ 0 };
    for (unsigned i = 0; i < disk->file_count; i++) disk->files[i]->unflushed = 0;
    return recording;
}

void disk_recording_free(struct disk_recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) {
        free(recording->operations[i].bytes);
        free(recording->operations[i].name);
    }
    free(recording->operations);
    *recording = (struct disk_recording){ 0 };
}

void disk_put(struct disk *disk, const char *name, const char *bytes, size_t size)
{
    unsigned number;
    struct file *file = find_file(disk, name, &number);
    if (file == NULL) file = add_file(disk, name, &number);
    resize(file, size);
    if (size > 0) memcpy(file->bytes, bytes, size);
}

bool disk_get(struct disk *disk, const char *name, const char **bytes, size_t *size)
{
    const struct file *file = find_file(disk, name, NULL);
    if (file == NULL) return false;
    *bytes = file->bytes;
    *size = file->size;
    return true;
}

void disk_fail(struct disk *disk, enum disk_fault fault, uint64_t call, bool for_good)
{
    pthread_mutex_lock(&disk->mutex);
    disk->fault = fault;
    disk->call = call;
    disk->calls = disk->failures = 0;
    disk->for_good = for_good;
    pthread_mutex_unlock(&disk->mutex);
}

uint64_t disk_failures(struct disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    uint64_t failures = disk->failures;
    pthread_mutex_unlock(&disk->mutex);
    return failures;
}
