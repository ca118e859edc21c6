/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor is as short as it can be: the row behind the page tells how many values it takes to tell the two apart, and
 * what lies behind these values is the next page, whatever becomes of both rows. Where no value surely differs, as of
 * rows that are wholly equal, the cursor has them all and how many rows with just these were given out.
 */
#include "query/page.h"

#include <stdio.h>
#include <stdlib.h>

#include "query/answer.h"

/* The values that a row is ordered by. */
struct row_key {
    varve_buf bytes;
    size_t *ends; /* of each value, in `bytes` */
};

/* Reading a page, part by part. */
struct reading {
    struct page *page;
    const struct sql_driver *sql;
    struct row_key last, now; /* of the last row given out, and of the one at hand */
    uint64_t alike;           /* rows given out that end with the last one and have its key */
    uint64_t skip;            /* rows with the cursor's key that were given out before */
    varve_str skip_key;
    bool full; /* and there is another row */
};

static bool begin_reading(struct reading *reading, struct page *page, const struct sql_driver *sql)
{
    size_t count = page->paging->term_count;
    *reading = (struct reading){ .page = page, .sql = sql, .skip = page->cursor.seen };
    if (page->cursor.bytes.len > 0) {
        reading->skip_key = cursor_key(&page->cursor);
    }
    reading->last.ends = calloc(count, sizeof *reading->last.ends);
    reading->now.ends = calloc(count, sizeof *reading->now.ends);
    return reading->last.ends != NULL && reading->now.ends != NULL;
}

static void end_reading(struct reading *reading)
{
    varve_buf_fini(&reading->last.bytes);
    varve_buf_fini(&reading->now.bytes);
    free(reading->last.ends);
    free(reading->now.ends);
}

static void read_key(struct reading *reading, struct sql_statement *statement)
{
    const struct paging *paging = reading->page->paging;
    struct row_key *key = &reading->now;
    varve_buf_reset(&key->bytes);
    for (size_t i = 0; i < paging->term_count; i++) {
        struct sql_value value;
        reading->sql->column(statement, (int)paging->terms[i].column, &value);
        cursor_add(&key->bytes, &value);
        key->ends[i] = key->bytes.len;
    }
}

/* How many values it takes to tell the last row from the one at hand; 0 when none surely does. */
static size_t values_apart(const struct reading *reading, const struct sql_statement *statement)
{
    const struct paging *paging = reading->page->paging;
    varve_str last = varve_buf_view(&reading->last.bytes), now = varve_buf_view(&reading->now.bytes);
    for (size_t i = 0; i < paging->term_count; i++) {
        struct sql_value a, b;
        if (!cursor_take(&last, &a) || !cursor_take(&now, &b)) {
            break;
        }
        const struct paging_term *term = &paging->terms[i];
        bool texts = term->as_text && a.kind != SQL_NULL && b.kind != SQL_NULL;
        if (texts ? !varve_str_eq(a.text, b.text) : reading->sql->differ(statement, (int)term->column, &a, &b)) {
            return i + 1;
        }
    }
    return 0;
}

static varve_status write_next(struct reading *reading, const struct sql_statement *statement, varve_error *error)
{
    struct page *page = reading->page;
    varve_str key = varve_buf_view(&reading->last.bytes);
    size_t apart = values_apart(reading, statement);
    uint64_t seen = 0;
    if (apart > 0) {
        key.len = reading->last.ends[apart - 1];
    } else {
        /* Where the whole page is alike, so may be the rows that the pages before it ended with. */
        bool before = reading->alike == page->count && varve_str_eq(key, reading->skip_key);
        seen = reading->alike + (before ? page->cursor.seen : 0);
    }
    return cursor_write(key, seen, page->salt, &page->next, error);
}

static varve_status add_row(struct reading *reading, struct sql_statement *statement, varve_error *error)
{
    struct page *page = reading->page;
    varve_buf *rows = &page->rows;
    bool alike =
        page->count > 0 && varve_str_eq(varve_buf_view(&reading->last.bytes), varve_buf_view(&reading->now.bytes));
    reading->alike = alike ? reading->alike + 1 : 1;
    if (page->count++ > 0) {
        varve_buf_add(rows, ",", 1);
    }
    answer_add_columns(reading->sql, statement, 0, (int)page->paging->visible, rows);
    struct row_key last = reading->last;
    reading->last = reading->now;
    reading->now = last;
    if (rows->failed || reading->last.bytes.failed) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for the answer");
    }
    if (rows->len > page->bytes_max) {
        return varve_error_set(error, VARVE_TOO_LARGE, "the page is over %zu bytes: ask for a smaller limit",
                               page->bytes_max);
    }
    return VARVE_OK;
}

static varve_status read_rows(struct reading *reading, struct sql_statement *statement, varve_error *error)
{
    struct page *page = reading->page;
    varve_status status = page_bind(page, reading->sql, statement, error);
    while (status == VARVE_OK && !reading->full && (status = reading->sql->step(statement, error)) == VARVE_OK) {
        read_key(reading, statement);
        if (reading->skip > 0 && varve_str_eq(varve_buf_view(&reading->now.bytes), reading->skip_key)) {
            reading->skip--;
        } else if (page->count < page->limit) {
            status = add_row(reading, statement, error);
        } else {
            reading->full = true;
            status = write_next(reading, statement, error);
        }
    }
    reading->sql->reset(statement);
    return status < 0 ? status : VARVE_OK;
}

varve_status page_bind(const struct page *page, const struct sql_driver *sql, struct sql_statement *statement,
                       varve_error *error)
{
    char name[32];
    size_t number = 0;
    varve_status status = VARVE_OK;
    const struct sqlfile_placeholder *place = page->own->placeholders;
    for (; status == VARVE_OK && place != NULL; place = place->next) {
        snprintf(name, sizeof name, "p%zu", ++number);
        status = sql->bind(statement, sql->parameter(statement, name), &page->values[place->param], error);
    }
    for (size_t i = 0; status == VARVE_OK && i < page->cursor.count; i++) {
        snprintf(name, sizeof name, "varve_k%zu", i + 1);
        int parameter = sql->parameter(statement, name);
        if (parameter > 0) {
            status = sql->bind(statement, parameter, &page->cursor.values[i], error);
        }
    }
    if (status == VARVE_OK) {
        /* One row more than the page tells whether there is another page, and by what to find it. */
        const struct sql_value limit = { .kind = SQL_INTEGER,
                                         .integer = (int64_t)(page->limit + page->cursor.seen + 1) };
        status = sql->bind(statement, sql->parameter(statement, "varve_limit"), &limit, error);
    }
    return status;
}

void page_write_first(const struct page *page, varve_buf *text)
{
    struct paging_part part;
    const struct cursor *cursor = &page->cursor;
    if (cursor->count > 0 && paging_first_part(page->paging, cursor->values, cursor->count, cursor->seen > 0, &part)) {
        paging_write_part(page->paging, cursor->values, &part, text);
    } else {
        paging_write_first(page->paging, text);
    }
}

static varve_status read_parts(struct reading *reading, struct reader *reader, varve_error *error)
{
    struct page *page = reading->page;
    const struct cursor *cursor = &page->cursor;
    struct paging_part part;
    varve_buf text = { 0 };
    varve_status status = VARVE_OK;
    bool more = paging_first_part(page->paging, cursor->values, cursor->count, cursor->seen > 0, &part);
    while (status == VARVE_OK && more && !reading->full) {
        struct sql_statement *statement = NULL;
        varve_buf_reset(&text);
        paging_write_part(page->paging, cursor->values, &part, &text);
        status = text.failed ? varve_error_set(error, VARVE_NOMEM, "no memory to ask a query")
                             : reader_prepare(reader, varve_buf_view(&text), &statement, error);
        if (status == VARVE_OK) {
            status = read_rows(reading, statement, error);
        }
        more = paging_next_part(page->paging, cursor->values, &part);
    }
    varve_buf_fini(&text);
    return status;
}

varve_status page_read(struct page *page, struct reader *reader, varve_error *error)
{
    struct reading reading;
    varve_status status = VARVE_OK;
    varve_buf_add(&page->rows, "[", 1);
    if (!begin_reading(&reading, page, reader->home->place.sql)) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory to ask a query");
    } else if (page->cursor.count == 0) {
        status = read_rows(&reading, reader->question, error);
    } else {
        status = read_parts(&reading, reader, error);
    }
    varve_buf_add(&page->rows, "]", 1);
    if (status == VARVE_OK && page->rows.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory for the answer");
    }
    end_reading(&reading);
    return status;
}

void page_fini(struct page *page)
{
    cursor_fini(&page->cursor);
    varve_buf_fini(&page->rows);
    varve_buf_fini(&page->next);
}
