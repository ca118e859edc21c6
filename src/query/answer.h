/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as JSON. */
#ifndef VARVE_QUERY_ANSWER_H
#define VARVE_QUERY_ANSWER_H

#include "sql/sql.h"

/*
 * Appends the row that stands ready as a JSON object with the columns' names: integers and reals as
 * numbers (one that is not finite as null), text as a string, bytes (and text that is not UTF-8) as a
 * base64 string.
 */
void answer_add_row(const struct sql_driver *sql, struct sql_statement *statement, varve_buf *rows);
/* The same without the columns before `first`. */
void answer_add_columns(const struct sql_driver *sql, struct sql_statement *statement, int first, varve_buf *rows);

#endif
