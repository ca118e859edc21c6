/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text tables for people. Rows are held back until table_flush, so that columns can be made wide
 * enough; later rows keep to those widths. What could disturb a terminal is written as an escape.
 */
#ifndef VARVE_CLI_TABLE_H
#define VARVE_CLI_TABLE_H

#include <stdio.h>

#include <varve/event.h>

struct table_column;

/* Starts from {0}; ends with table_fini. */
struct table {
    struct table_column *columns;
    size_t column_count;
    varve_buf text; /* all cells held back, one after the other */
    size_t *ends;   /* where each ends in `text` */
    size_t cell_count;
    size_t capacity;
    bool plain; /* set it for a table without heading whose cells all stand to the left */
    bool heading_shown;
    bool failed; /* memory ran out: table_flush says so */
};

/* Adds a column, before the first cell. Its heading is copied. */
void table_column(struct table *table, varve_str heading);

/* A column's heading; borrowed. */
const char *table_heading(const struct table *table, size_t column);

/* Adds the next cell of the current row. Numbers stand to the right. */
void table_cell(struct table *table, varve_str text, bool number);

/* How many whole rows are held back. */
size_t table_rows(const struct table *table);

/*
 * Prints the rows held back, with the heading before the first. With a `width` other than 0, cells
 * are cut so that rows fit as far as possible. VARVE_NOMEM.
 */
varve_status table_flush(struct table *table, FILE *file, size_t width, bool colour, varve_error *error);
void table_fini(struct table *table);

/*
 * Appends `text` to `out` as it can be shown on a terminal: line breaks and tabs as blanks, other
 * control characters as \xNN. A time as varve writes it is shortened to "2026-01-02 03:04:05.678".
 */
void table_text(varve_str text, varve_buf *out);

#endif
