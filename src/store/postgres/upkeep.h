/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with a log besides reading and appending. */
#ifndef VARVE_STORE_POSTGRES_UPKEEP_H
#define VARVE_STORE_POSTGRES_UPKEEP_H

#include "store/postgres/log.h"

/* ---- snapshot.c ---- */

void postgres_put_snapshots(struct store_log *log, const struct store_snapshot *snapshots, size_t count);

/* ---- verify.c ---- */

varve_status postgres_verify(struct store_log *log, const varve_verify_options *options, uint64_t *events,
                             varve_error *error);

/* ---- load.c ---- */

varve_status postgres_load(const struct store_location *location, store_next_event next, void *ctx, varve_error *error);
varve_status postgres_renew(const struct store_location *location, varve_error *error);

#endif
