/* SPDX-License-Identifier: Apache-2.0 */
/* Records: what the modules above the log keep beside it. */
#ifndef VARVE_STORE_SQLITE_RECORD_H
#define VARVE_STORE_SQLITE_RECORD_H

#include "store/sqlite/log.h"

varve_status sqlite_records(struct store_log *log, const struct store_record_range *range, store_record_visit visit,
                            void *ctx, varve_time *now, varve_error *error);
/* Does the write find what it expects? Sets its new revision. Within the writer's transaction. */
varve_status sqlite_check_write(struct store_log *log, struct store_write *write, varve_time now, bool *as_expected,
                                varve_error *error);
varve_status sqlite_apply_write(struct store_log *log, const struct store_write *write, varve_error *error);
/* Takes away some of the records that have expired. */
varve_status sqlite_drop_expired(struct store_log *log, varve_time now, varve_error *error);

#endif
