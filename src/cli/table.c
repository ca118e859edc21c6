/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdlib.h>

#include "base/utf8.h"

/* A cell that is not the last of its row takes this much of a terminal's line at most. */
enum { CELL_WIDTH_MAX = 40, LAST_WIDTH_MIN = 16, GAP = 2 };

struct table_column {
    char *heading;
    size_t width; /* in characters */
    bool number;  /* its first cell was one */
};

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

static size_t count_characters(varve_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += is_continuation(text.ptr[i]) ? 0 : 1;
    }
    return count;
}

static bool is_time(varve_str text)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    if (text.len != sizeof(shape) - 1) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char at = text.ptr[i];
        if (shape[i] == 'd' ? (at < '0' || at > '9') : at != shape[i]) {
            return false;
        }
    }
    return true;
}

void table_text(varve_str text, varve_buf *out)
{
    if (is_time(text)) {
        varve_buf_printf(out, "%.10s %.12s", text.ptr, text.ptr + 11);
        return;
    }
    size_t plain = 0; /* where the bytes not yet copied begin */
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        /* C1 controls are C2 80 to C2 9F in UTF-8. */
        bool c1 = byte == 0xC2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xA0;
        if (byte >= 0x20 && byte != 0x7F && !c1) {
            continue;
        }
        varve_buf_add(out, text.ptr + plain, i - plain);
        i += c1 ? 1 : 0;
        bool blank = byte == '\n' || byte == '\r' || byte == '\t';
        if (blank) {
            varve_buf_add(out, " ", 1);
        } else {
            varve_buf_printf(out, "\\x%02x", (unsigned char)text.ptr[i]);
        }
        plain = i + 1;
    }
    varve_buf_add(out, text.ptr + plain, text.len - plain);
}

void table_column(struct table *table, varve_str heading)
{
    struct table_column *columns = realloc(table->columns, (table->column_count + 1) * sizeof(*columns));
    if (columns == NULL) {
        table->failed = true;
        return;
    }
    table->columns = columns;
    char *copy = strndup(heading.ptr, heading.len);
    if (copy == NULL) {
        table->failed = true;
        return;
    }
    columns[table->column_count++] = (struct table_column){ .heading = copy, .width = count_characters(heading) };
}

const char *table_heading(const struct table *table, size_t column)
{
    return table->columns[column].heading;
}

void table_cell(struct table *table, varve_str text, bool number)
{
    if (table->failed || table->column_count == 0) {
        return;
    }
    if (table->cell_count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 256 : table->capacity * 2;
        size_t *ends = realloc(table->ends, capacity * sizeof(*ends));
        if (ends == NULL) {
            table->failed = true;
            return;
        }
        table->ends = ends;
        table->capacity = capacity;
    }
    size_t start = table->text.len;
    table_text(text, &table->text);
    if (table->text.failed) {
        table->failed = true;
        return;
    }
    struct table_column *column = &table->columns[table->cell_count % table->column_count];
    size_t width = count_characters((varve_str){ table->text.ptr + start, table->text.len - start });
    if (!table->heading_shown && width > column->width) {
        column->width = width;
    }
    if (table->cell_count < table->column_count) {
        column->number = number && !table->plain;
    }
    table->ends[table->cell_count++] = table->text.len;
}

size_t table_rows(const struct table *table)
{
    return table->column_count == 0 ? 0 : table->cell_count / table->column_count;
}

/* Bytes of the first `count` characters of `text`. */
static size_t bytes_of(varve_str text, size_t count)
{
    size_t at = 0;
    while (at < text.len && count > 0) {
        at++;
        while (at < text.len && is_continuation(text.ptr[at])) {
            at++;
        }
        count--;
    }
    return at;
}

/* Prints one cell in `width` characters; `cut`: no more than that. The last cell of a row is not padded. */
static void print_cell(FILE *file, varve_str text, size_t width, bool number, bool cut, bool last)
{
    size_t characters = count_characters(text);
    bool shortened = cut && characters > width && width > 0;
    if (shortened) {
        text.len = bytes_of(text, width - 1);
        characters = width;
    }
    size_t padding = characters < width ? width - characters : 0;
    if (number) {
        fprintf(file, "%*s", (int)padding, "");
    }
    fwrite(text.ptr, 1, text.len, file);
    fputs(shortened ? "…" : "", file);
    if (!last) {
        fprintf(file, "%*s", (int)(GAP + (number ? 0 : padding)), "");
    }
}

/* Once, before the heading: makes columns fit into the terminal. */
static void fit_columns(struct table *table, size_t width)
{
    size_t used = 0;
    for (size_t i = 0; width > 0 && i < table->column_count; i++) {
        struct table_column *column = &table->columns[i];
        bool last = i + 1 == table->column_count;
        if (!last) {
            column->width = column->width > CELL_WIDTH_MAX ? CELL_WIDTH_MAX : column->width;
            used += column->width + GAP;
            continue;
        }
        size_t left = used + LAST_WIDTH_MIN < width ? width - used : LAST_WIDTH_MIN;
        column->width = column->width > left ? left : column->width;
    }
}

static void print_heading(const struct table *table, FILE *file, bool colour)
{
    fputs(colour ? "\033[1m" : "", file);
    for (size_t i = 0; i < table->column_count; i++) {
        const struct table_column *column = &table->columns[i];
        print_cell(file, varve_str_of(column->heading), column->width, column->number, false,
                   i + 1 == table->column_count);
    }
    fputs(colour ? "\033[0m\n" : "\n", file);
}

varve_status table_flush(struct table *table, FILE *file, size_t width, bool colour, varve_error *error)
{
    if (table->failed) {
        return varve_error_set(error, VARVE_NOMEM, "out of memory while formatting a table");
    }
    if (!table->heading_shown && table->column_count > 0) {
        fit_columns(table, width);
        if (!table->plain) {
            print_heading(table, file, colour);
        }
        table->heading_shown = true;
    }
    size_t start = 0;
    for (size_t i = 0; table->column_count > 0 && i < table->cell_count; i++) {
        size_t at = i % table->column_count;
        const struct table_column *column = &table->columns[at];
        bool last = at + 1 == table->column_count;
        varve_str text = { table->text.ptr + start, table->ends[i] - start };
        print_cell(file, text, column->width, column->number, width > 0, last);
        fputs(last ? "\n" : "", file);
        start = table->ends[i];
    }
    varve_buf_reset(&table->text);
    table->cell_count = 0;
    return VARVE_OK;
}

void table_fini(struct table *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        free(table->columns[i].heading);
    }
    free(table->columns);
    free(table->ends);
    varve_buf_fini(&table->text);
    *table = (struct table){ 0 };
}
