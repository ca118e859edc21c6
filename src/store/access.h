/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's modules may ask of a store beyond its public interface. */
#ifndef VARVE_STORE_ACCESS_H
#define VARVE_STORE_ACCESS_H

#include "store/chain.h"
#include "store/store.h"

/* Opens a store on a driver; `path` is what follows "scheme:". varve_store_open finds the driver by URI. */
varve_status store_open(varve_store **store, const struct store_driver *driver, const char *path,
                        const varve_store_options *options, varve_error *error);

/* varve_store_restore, varve_store_import and varve_store_new_incarnation, on a driver. */
varve_status store_restore(const struct store_driver *driver, const char *path, const char *backup,
                           const varve_progress_options *options, varve_error *error);
varve_status store_import(const struct store_driver *driver, const char *path, FILE *in,
                          const varve_progress_options *options, uint64_t *events, varve_error *error);
varve_status store_new_incarnation(const struct store_driver *driver, const char *path, varve_error *error);

bool store_is_read_only(const varve_store *store);

/* Whether several processes may write it. */
bool store_has_many_writers(const varve_store *store);

/* The number of the history that the log is now (struct store_head): what was read before it changed may never have
 * been. */
uint64_t store_history(varve_store *store);

/* What a command's append has besides. Borrowed for the call. */
struct store_besides {
    struct store_chain *chain; /* unless every append of it before this one is OK, this one is refused with CONFLICT, no
                                  condition named, if it is no repeat; one thread at a time appends to it; NULL: none */
    const struct store_write *writes; /* records that change with it; without events, alone */
    size_t write_count;
    const varve_uuid *absent_id; /* without events: ID_CONFLICT when an event of this id is in the log; NULL: none */
};

/* As varve_append_async, with what stands in `besides`. */
varve_status store_append_besides(varve_store *store, const varve_append_request *request,
                                  const struct store_besides *besides, varve_append_callback callback, void *ctx,
                                  varve_error *error);

/*
 * Changes records, all or none, in one of the writer's transactions; returns when that is durable. Each key once.
 * CONFLICT when one is not as expected (`*failed` says which, from 1); otherwise as varve_append. On success the
 * records' new revisions are set. Blocks.
 */
varve_status store_records_write(varve_store *store, struct store_write *writes, size_t count, size_t *failed,
                                 varve_error *error);

/* Visits records; `now` (may be NULL) becomes the time by the clock that their expiry is judged by. */
varve_status store_records_list(varve_store *store, const struct store_record_range *range, store_record_visit visit,
                                void *ctx, varve_time *now, varve_error *error);

/* One record, its texts in `memory`. NOT_FOUND; `now` as above is set then too. */
varve_status store_record_get(varve_store *store, varve_str space, varve_str key, struct arena *memory,
                              struct store_record *record, varve_time *now, varve_error *error);

/*
 * Hands a snapshot (copied) to the writer and returns; it is written with the next batch, or dropped
 * when the queue is full or the store is stopping.
 */
void store_snapshot_put(varve_store *store, const struct store_snapshot *snapshot);

/* The newest snapshot of this state_version with a version ≤ max_version. VARVE_NOT_FOUND when there is none. */
varve_status store_snapshot_get(varve_store *store, varve_str stream, uint64_t state_version, uint64_t max_version,
                                uint64_t *version, varve_buf *state, varve_error *error);

/*
 * The version that the stream had at a recorded time, 0 when it had no event yet; what came later costs nothing.
 * VARVE_INVALID when the time lies in the future.
 */
varve_status store_version_at(varve_store *store, varve_str stream, varve_time at, uint64_t *version,
                              varve_error *error);

/*
 * What is appended by varve_append and varve_append_async must pass `check`, event by event, before it is queued: a
 * failure is the append's, unless an id or the key of it is known: a repeat is answered as one. Set before anything is
 * appended. `error` is not NULL.
 */
typedef varve_status (*store_event_check)(void *ctx, const varve_event *event, varve_error *error);
void store_set_check(varve_store *store, store_event_check check, void *ctx);

/*
 * Events of one part of the log are read once for all cursors that share, as long as they go through it together. For a
 * cursor over the log, forward without end, that asks for types at most; before its first event.
 */
void store_cursor_share(varve_cursor *cursor);

/*
 * From now on what `inlined` does is part of the transactions of appends; with NULL no longer, and nothing of it is
 * called any more. It is borrowed as long. Blocks. DENIED: the store is open for reading.
 */
varve_status store_set_inline(varve_store *store, const struct store_inline *inlined, varve_error *error);

/* One transaction of the writer's that appends nothing, for what belongs to the store_inline; durable on OK. Blocks. */
varve_status store_change_inline(varve_store *store, store_change change, void *ctx, varve_error *error);

/* Reads the counters. */
void store_get_stats(varve_store *store, struct store_stats *stats);

#endif
