/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with a log besides reading and appending. */
#ifndef VARVE_STORE_SQLITE_UPKEEP_H
#define VARVE_STORE_SQLITE_UPKEEP_H

#include "store/sqlite/log.h"

/* ---- snapshot.c ---- */

varve_status sqlite_snapshot(struct store_log *log, varve_str stream, uint64_t state_version, uint64_t max_version,
                             uint64_t *version, varve_buf *state, varve_error *error);
/* Writes a snapshot of the stream with this number and drops what it makes superfluous; within a transaction. */
varve_status sqlite_add_snapshot(struct store_log *log, int64_t stream, const struct store_snapshot *snapshot,
                                 varve_error *error);

/* ---- copy.c ---- */

varve_status sqlite_copy(struct store_log *log, const char *path, bool renew, const varve_progress_options *options,
                         varve_error *error);
varve_status sqlite_load(const struct store_location *location, store_next_event next, void *ctx, varve_error *error);
varve_status sqlite_renew(const struct store_location *location, varve_error *error);

/* ---- verify.c ---- */

varve_status sqlite_verify(struct store_log *log, const varve_verify_options *options, uint64_t *events,
                           varve_error *error);

#endif
