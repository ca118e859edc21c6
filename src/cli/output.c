/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/pages.h"

/* Rows of a table held back to find the width of its columns. */
enum { ROWS_HELD = 200 };

const char *const output_event_columns[] = { "version", "type", "position", "recorded_at", "data", NULL };

void output_init(struct output *output, FILE *file)
{
    *output = (struct output){ .file = file, .format = OUTPUT_NDJSON };
    if (!isatty(fileno(file))) {
        return;
    }
    output->format = OUTPUT_TABLE;
    struct winsize size = { 0 };
    if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0) {
        output->width = size.ws_col;
    }
    const char *no_colour = getenv("NO_COLOR");
    output->colour = no_colour == NULL || no_colour[0] == '\0';
}

varve_status output_format_parse(enum output_format *format, const char *text, varve_error *error)
{
    static const char *const words[] = { [OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json", [OUTPUT_NDJSON] = "ndjson" };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *format = (enum output_format)i;
            return VARVE_OK;
        }
    }
    return varve_error_set(error, VARVE_INVALID, "--output takes table, json or ndjson, not '%s'", text);
}

static varve_status bad_document(varve_error *error)
{
    return varve_error_set(error, VARVE_UNAVAILABLE, "the answer is not the JSON document that was expected");
}

static void put(FILE *file, varve_str text)
{
    fwrite(text.ptr, 1, text.len, file);
}

/* One line: a payload may hold line breaks, as white space between JSON tokens, where a blank means the same. */
static void put_line(FILE *file, varve_str json)
{
    while (json.len > 0) {
        size_t len = 0;
        while (len < json.len && json.ptr[len] != '\n' && json.ptr[len] != '\r') {
            len++;
        }
        fwrite(json.ptr, 1, len, file);
        if (len < json.len) {
            fputc(' ', file);
            len++;
        }
        json.ptr += len;
        json.len -= len;
    }
    fputc('\n', file);
}

/* Adds a value as a cell: a string as its text, null as "-", anything else as it stands. */
static void add_value(struct table *table, enum json_token token, varve_str value)
{
    if (token == JSON_NULL || token == JSON_END) {
        table_cell(table, VARVE_STR("-"), false);
        return;
    }
    if (token != JSON_STRING) {
        table_cell(table, value, token == JSON_INTEGER || token == JSON_REAL);
        return;
    }
    varve_buf text = { 0 };
    json_unescape((varve_str){ value.ptr + 1, value.len - 2 }, &text);
    table->failed |= text.failed;
    table_cell(table, varve_buf_view(&text), false);
    varve_buf_fini(&text);
}

/* Makes a column of each member that the object has. */
static varve_status columns_of(struct table *table, varve_str object, varve_error *error)
{
    struct json_scanner scanner;
    json_start_around(&scanner, object);
    if (json_next(&scanner) != JSON_OBJECT) {
        return bad_document(error);
    }
    for (;;) {
        enum json_token token = json_next(&scanner);
        if (token != JSON_KEY) {
            return token == JSON_OBJECT_END ? VARVE_OK : bad_document(error);
        }
        varve_buf name = { 0 };
        json_unescape(scanner.raw, &name);
        table->failed |= name.failed;
        table_column(table, varve_buf_view(&name));
        varve_buf_fini(&name);
        varve_str value;
        if (json_skip(&scanner, json_next(&scanner), &value) == JSON_ERROR) {
            return bad_document(error);
        }
    }
}

void items_init(struct items *items, const struct output *output, varve_str head, const char *const *columns)
{
    *items = (struct items){ .output = output, .columns = columns };
    for (size_t i = 0; columns != NULL && columns[i] != NULL; i++) {
        table_column(&items->table, varve_str_of(columns[i]));
    }
    if (output->format == OUTPUT_JSON) {
        put(output->file, head);
    }
}

varve_status items_add(struct items *items, varve_str item, varve_error *error)
{
    FILE *file = items->output->file;
    uint64_t before = items->count++;
    if (items->output->format == OUTPUT_JSON) {
        fputs(before > 0 ? "," : "", file);
        put(file, item);
        return VARVE_OK;
    }
    if (items->output->format == OUTPUT_NDJSON) {
        put_line(file, item);
        return VARVE_OK;
    }
    if (before == 0 && items->columns == NULL) {
        varve_status status = columns_of(&items->table, item, error);
        if (status < 0) {
            return status;
        }
    }
    for (size_t i = 0; i < items->table.column_count; i++) {
        varve_str value = { 0 };
        enum json_token token = page_member(item, table_heading(&items->table, i), &value);
        if (token == JSON_ERROR) {
            return bad_document(error);
        }
        add_value(&items->table, token, value);
    }
    return table_rows(&items->table) >= ROWS_HELD ? items_flush(items, error) : VARVE_OK;
}

varve_status items_flush(struct items *items, varve_error *error)
{
    const struct output *output = items->output;
    varve_status status = VARVE_OK;
    if (output->format == OUTPUT_TABLE && items->count > 0) {
        status = table_flush(&items->table, output->file, output->width, output->colour, error);
    }
    if (status == VARVE_OK && fflush(output->file) != 0) {
        status = varve_error_set(error, VARVE_IO, "cannot write to standard output");
    }
    return status;
}

varve_status items_end(struct items *items, varve_str tail, varve_error *error)
{
    if (items->output->format == OUTPUT_JSON) {
        put(items->output->file, tail);
        fputc('\n', items->output->file);
    }
    return items_flush(items, error);
}

void items_fini(struct items *items)
{
    table_fini(&items->table);
}

/* Adds each item of a JSON array. */
static varve_status add_all(struct items *items, varve_str array, varve_error *error)
{
    struct json_scanner scanner;
    json_start_around(&scanner, array);
    if (json_next(&scanner) != JSON_ARRAY) {
        return bad_document(error);
    }
    for (;;) {
        enum json_token token = json_next(&scanner);
        if (token == JSON_ARRAY_END) {
            return VARVE_OK;
        }
        varve_str item = { 0 };
        if (token == JSON_ERROR || json_skip(&scanner, token, &item) == JSON_ERROR) {
            return bad_document(error);
        }
        varve_status status = items_add(items, item, error);
        if (status < 0) {
            return status;
        }
    }
}

/* JSON keeps a document's own line breaks; NDJSON has none but at the end. */
static varve_status print_json(const struct output *output, varve_str document)
{
    if (output->format == OUTPUT_NDJSON) {
        put_line(output->file, document);
        return VARVE_OK;
    }
    put(output->file, document);
    fputc('\n', output->file);
    return VARVE_OK;
}

varve_status output_list(const struct output *output, varve_str document, const char *member,
                         const char *const *columns, varve_error *error)
{
    if (output->format == OUTPUT_JSON) {
        return print_json(output, document);
    }
    varve_str array = { 0 };
    if (page_member(document, member, &array) != JSON_ARRAY) {
        return bad_document(error);
    }
    struct items items;
    items_init(&items, output, (varve_str){ 0 }, columns);
    varve_status status = add_all(&items, array, error);
    if (status == VARVE_OK) {
        status = items_end(&items, (varve_str){ 0 }, error);
    }
    items_fini(&items);
    return status;
}

/* True when `array` has an object as its first item. */
static bool holds_objects(varve_str array)
{
    struct json_scanner scanner;
    json_start_around(&scanner, array);
    if (json_next(&scanner) != JSON_ARRAY) {
        return false;
    }
    return json_next(&scanner) == JSON_OBJECT;
}

/* One pass over the members: those that are values become rows of `table`, or, with `table` NULL, lists are printed. */
static varve_status visit_members(const struct output *output, varve_str document, struct table *table,
                                  varve_error *error)
{
    struct json_scanner scanner;
    json_start_around(&scanner, document);
    if (json_next(&scanner) != JSON_OBJECT) {
        return bad_document(error);
    }
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) {
        enum json_token token = json_next(&scanner);
        if (token != JSON_KEY) {
            return token == JSON_OBJECT_END ? VARVE_OK : bad_document(error);
        }
        varve_str name = scanner.raw;
        varve_str value = { 0 };
        token = json_skip(&scanner, json_next(&scanner), &value);
        if (token == JSON_ERROR) {
            return bad_document(error);
        }
        bool list = token == JSON_ARRAY && holds_objects(value);
        if (table != NULL && !list) {
            table_cell(table, name, false);
            add_value(table, token, value);
        } else if (table == NULL && list) {
            struct items items;
            fputc('\n', output->file);
            items_init(&items, output, (varve_str){ 0 }, varve_str_is(name, "events") ? output_event_columns : NULL);
            status = add_all(&items, value, error);
            if (status == VARVE_OK) {
                status = items_end(&items, (varve_str){ 0 }, error);
            }
            items_fini(&items);
        }
    }
    return status;
}

varve_status output_document(const struct output *output, varve_str document, varve_error *error)
{
    if (output->format != OUTPUT_TABLE) {
        return print_json(output, document);
    }
    struct table table = { .plain = true };
    table_column(&table, VARVE_STR("name"));
    table_column(&table, VARVE_STR("value"));
    varve_status status = visit_members(output, document, &table, error);
    if (status == VARVE_OK) {
        status = table_flush(&table, output->file, 0, false, error);
    }
    if (status == VARVE_OK) {
        status = visit_members(output, document, NULL, error);
    }
    table_fini(&table);
    return status;
}
