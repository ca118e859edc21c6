/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data on standard output. Every verb makes a JSON document, the same with --store and with
 * --server; here it becomes a table, JSON or newline-delimited JSON. Payloads pass through byte for byte.
 */
#ifndef VARVE_CLI_OUTPUT_H
#define VARVE_CLI_OUTPUT_H

#include <stdio.h>

#include <varve/event.h>

#include "cli/table.h"

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_NDJSON };

struct output {
    FILE *file;
    enum output_format format;
    size_t width; /* of the terminal in columns; 0: not a terminal, nothing is cut */
    bool colour;
};

/* Looks at `file` (standard output) and NO_COLOR: a table on a terminal, NDJSON otherwise. */
void output_init(struct output *output, FILE *file);

/* "table", "json" or "ndjson". VARVE_INVALID. */
varve_status output_format_parse(enum output_format *format, const char *text, varve_error *error);

/* The columns that show one stream's events. */
extern const char *const output_event_columns[];

/* One document: a line of JSON, or its members one a line, lists of objects below as tables. */
varve_status output_document(const struct output *output, varve_str document, varve_error *error);

/*
 * A document whose substance is the list of objects called `member`: as JSON whole, otherwise its
 * items. `columns` are names of members to show in a table, ended by NULL; NULL: those of the first item.
 */
varve_status output_list(const struct output *output, varve_str document, const char *member,
                         const char *const *columns, varve_error *error);

/* The same for a list too long to hold: items come one by one. Start from {0}; end with items_fini. */
struct items {
    const struct output *output;
    const char *const *columns;
    struct table table;
    uint64_t count;
};

/* `head` is the JSON up to and with the list's '['; used with OUTPUT_JSON only. */
void items_init(struct items *items, const struct output *output, varve_str head, const char *const *columns);
varve_status items_add(struct items *items, varve_str item, varve_error *error);
/* Shows what was added so far, for lists that stay open. */
varve_status items_flush(struct items *items, varve_error *error);
/* `tail` is the JSON from the list's ']' on. */
varve_status items_end(struct items *items, varve_str tail, varve_error *error);
void items_fini(struct items *items);

#endif
