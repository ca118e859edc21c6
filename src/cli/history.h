/* SPDX-License-Identifier: Apache-2.0 */
/* An aggregate's history for people: a line for each change that an event made. */
#ifndef VARVE_CLI_HISTORY_H
#define VARVE_CLI_HISTORY_H

#include "cli/table.h"

/* Adds the columns: time, version, type, actor, cause, change. */
void history_columns(struct table *table);

/*
 * Adds the rows of one entry, {"version","type","recorded_at","metadata","patch":[…],…}: "+" stands before
 * what is new, "~" before what is replaced, "-" before what is gone. VARVE_UNAVAILABLE: it is no such entry.
 */
varve_status history_rows(struct table *table, varve_str entry, varve_error *error);

/* Adds the cell of one operation of a patch (RFC 6902), marked as above. VARVE_UNAVAILABLE: it is none. */
varve_status history_change(struct table *table, varve_str operation, varve_error *error);

#endif
