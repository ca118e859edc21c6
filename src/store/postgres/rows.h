/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way into the tables, as arrays of columns. */
#ifndef VARVE_STORE_POSTGRES_ROWS_H
#define VARVE_STORE_POSTGRES_ROWS_H

#include "store/postgres/connection.h"

enum { ROWS_COLUMNS = 15 };

/* Starts from {0}; ends with rows_fini; rows_begin empties it and keeps its memory. */
struct rows {
    struct array columns[ROWS_COLUMNS], tags, tag_places;
    size_t count;
    varve_buf scratch;
};

void rows_begin(struct rows *rows);
enum { PRESUMED_COUNTED = -1, PRESUMED_NOTHING = -2 };

/* Adds an event with its version. `presumed` is for S_ADD_EVENTS, its recorded_at for S_LOAD_EVENTS. */
void rows_add(struct rows *rows, const varve_event *event, int64_t presumed);
/* Sends S_ADD_EVENTS or S_LOAD_EVENTS, whose first parameters are in `values`, then the tags of what that adds. False
 * when it cannot. */
bool rows_send(struct rows *rows, struct connection *connection, enum statement statement, struct values *values);
void rows_fini(struct rows *rows);

#endif
