/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a store and looking after it: what it is, which streams it has, whether it is whole;
 * copying it, and carrying its events elsewhere.
 *
 * Threads: as store.h.
 */
#ifndef VARVE_UPKEEP_H
#define VARVE_UPKEEP_H

#include <stdio.h>
#include <varve/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_store_info {
    char incarnation[VARVE_UUID_TEXT_BYTES]; /* the identity of this unbroken history */
    char driver[16];                         /* "sqlite" */
    char driver_version[32];                 /* the database library's */
    uint32_t format_version;                 /* of the tables */
    uint64_t last_position;                  /* the head; also the number of events */
    uint64_t stream_count;
    varve_time created_at;
    varve_time last_recorded_at;
    uint64_t file_bytes;
    uint64_t log_file_bytes; /* write-ahead log not yet checkpointed */
    bool read_only;
    bool reset_bug; /* the SQLite in use has the WAL-reset bug that the store's locking rules work around */
} varve_store_info;

VARVE_API varve_status varve_store_get_info(varve_store *store, varve_store_info *info, varve_error *error);

/*
 * The incarnation as this process knows it now, as text into `text`, which is returned. It changes under a process on
 * PostgreSQL when the server is promoted: take it before the positions that it is to be kept with.
 */
VARVE_API const char *varve_store_incarnation(varve_store *store, char text[VARVE_UUID_TEXT_BYTES]);

/* The newest position a reader can see. Does not touch the disk on a store opened for writing. */
VARVE_API varve_status varve_store_head(varve_store *store, uint64_t *position, varve_error *error);

/* A stream's current version; 0 when it does not exist. */
VARVE_API varve_status varve_stream_get_version(varve_store *store, varve_str stream, uint64_t *version,
                                                varve_error *error);

/* Called for each stream in order of name; a positive return ends the visit early. Views are borrowed for the call. */
typedef varve_status (*varve_stream_visit)(void *ctx, const varve_stream_version *stream);

/*
 * Visits streams with names after `after`, of `category` (empty: all), `limit` at most (0: no
 * limit). VARVE_DONE at the end, VARVE_OK when ended by the limit or the visitor.
 */
VARVE_API varve_status varve_stream_list(varve_store *store, varve_str category, varve_str after, uint64_t limit,
                                         varve_stream_visit visit, void *ctx, varve_error *error);

/* One finding of varve_store_verify; borrowed for the call. */
typedef void (*varve_verify_problem)(void *ctx, const char *problem);
/* Called now and then by what takes long: how much is done, of how much in all (0: not known). */
typedef void (*varve_progress)(void *ctx, uint64_t done, uint64_t total);

typedef struct varve_verify_options {
    varve_verify_problem problem;
    varve_progress progress;
    void *ctx;
} varve_verify_options;

/*
 * Checks the whole store: the database's own integrity, every event's checksum, dense positions and
 * versions, recorded_at that never decreases, indexes that agree. VARVE_OK, or VARVE_CORRUPT after
 * all problems were reported (at most 100 of them). `*events` is the number checked.
 */
VARVE_API varve_status varve_store_verify(varve_store *store, const varve_verify_options *options, uint64_t *events,
                                          varve_error *error);

/* ---- copies ---- */

/* Who wants to know how far a copy is; may be NULL wherever it is asked for. */
typedef struct varve_progress_options {
    varve_progress progress;
    void *ctx;
} varve_progress_options;

/*
 * Writes a copy of the store, as it is at one moment, to the new file `path`, while writing goes on.
 * On SQLite it is a store itself; on PostgreSQL it is an export, with the events alone.
 * The file appears whole and flushed, or not at all. VARVE_INVALID when `path` exists already,
 * or a journal that an older store of that name has left; VARVE_FULL, VARVE_IO. Progress counts database pages.
 */
VARVE_API varve_status varve_store_backup(varve_store *store, const char *path, const varve_progress_options *options,
                                          varve_error *error);

/*
 * Makes the new store `uri` out of a backup file, after verifying it, with a new incarnation, so that
 * every checkpoint outside notices. VARVE_INVALID as varve_store_backup, VARVE_CORRUPT when the
 * backup is damaged.
 */
VARVE_API varve_status varve_store_restore(const char *uri, const char *backup, const varve_progress_options *options,
                                           varve_error *error);

/*
 * Writes the whole log as text: a line that says what follows, one event a line with everything that
 * was stored, a line that closes it with a checksum. `*events` counts them. Goes up to the head as
 * it was at the start. The caller flushes and closes `out`. VARVE_IO, VARVE_FULL.
 */
VARVE_API varve_status varve_store_export(varve_store *store, FILE *out, const varve_progress_options *options,
                                          uint64_t *events, varve_error *error);

/*
 * Reads what varve_store_export wrote into the store `uri`, which must not exist or be empty, with a
 * new incarnation; positions, ids and times are kept. All or nothing: text that is damaged or ends
 * early leaves nothing behind but the lock file (VARVE_INVALID or VARVE_CORRUPT, naming the line).
 */
VARVE_API varve_status varve_store_import(const char *uri, FILE *in, const varve_progress_options *options,
                                          uint64_t *events, varve_error *error);

/* Gives a store that nobody has open a new incarnation, after its file was rolled back by other means. */
VARVE_API varve_status varve_store_new_incarnation(const char *uri, varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
