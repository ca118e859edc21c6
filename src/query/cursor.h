/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cursor is made of: the values that the last row of a page is ordered by, as bytes, under a checksum, in
 * letters that need no encoding in a URL. No I/O.
 */
#ifndef VARVE_QUERY_CURSOR_H
#define VARVE_QUERY_CURSOR_H

#include "sql/sql.h"

#define CURSOR_TEXT_MAX 4096u /* letters: what fits into a request's line beside parameters */

/* A cursor that was read. Starts zeroed, ends with cursor_fini. */
struct cursor {
    struct sql_value *values;
    size_t count;
    uint64_t seen; /* rows wholly equal to the values that were given out; 0: all that are equal were */
    varve_buf bytes;
};

/* Appends one value to a key. */
void cursor_add(varve_buf *key, const struct sql_value *value);
/* Takes the first value off a key; its text is borrowed. False when the bytes are none. */
bool cursor_take(varve_str *key, struct sql_value *value);

/* Appends a cursor over a key; `salt` is a checksum over what the cursor belongs to. VARVE_TOO_LARGE. */
varve_status cursor_write(varve_str key, uint64_t seen, uint32_t salt, varve_buf *text, varve_error *error);

/*
 * Reads what cursor_write has written. VARVE_INVALID when it was not written for this salt, or holds more than `most`
 * values, or, where they have to be `clean`, a text that is no UTF-8 or has a NUL in it. The empty text is the first
 * page's: no values.
 */
varve_status cursor_read(struct cursor *cursor, varve_str text, uint32_t salt, size_t most, bool clean,
                         varve_error *error);
/* The values of a cursor that was read and has some, as bytes. */
varve_str cursor_key(const struct cursor *cursor);
void cursor_fini(struct cursor *cursor);

#endif
