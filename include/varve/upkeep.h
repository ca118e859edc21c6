/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a store and looking after it: what it is, which streams it has, whether it is whole.
 *
 * Threads: as store.h.
 */
#ifndef VARVE_UPKEEP_H
#define VARVE_UPKEEP_H

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
/* Called now and then while verifying: events checked so far and in all. */
typedef void (*varve_verify_progress)(void *ctx, uint64_t done, uint64_t total);

typedef struct varve_verify_options {
    varve_verify_problem problem;
    varve_verify_progress progress;
    void *ctx;
} varve_verify_options;

/*
 * Checks the whole store: the database's own integrity, every event's checksum, dense positions and
 * versions, recorded_at that never decreases, indexes that agree. VARVE_OK, or VARVE_CORRUPT after
 * all problems were reported (at most 100 of them). `*events` is the number checked.
 */
VARVE_API varve_status varve_store_verify(varve_store *store, const varve_verify_options *options, uint64_t *events,
                                          varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
