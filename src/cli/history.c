/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/history.h"

#include "cli/pages.h"

static const char *const columns[] = { "time", "version", "type", "actor", "cause", "change" };

enum { EVENT_COLUMNS = 5 }; /* those that say something about the event; its further rows leave them empty */

void history_columns(struct table *table)
{
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        table_column(table, varve_str_of(columns[i]));
    }
}

/* A string as its text, anything else as it stands, "-" for what is not there. */
static void add_cell(struct table *table, enum json_token token, varve_str value)
{
    varve_buf text = { 0 };
    if (token == JSON_STRING) {
        json_unescape((varve_str){ value.ptr + 1, value.len - 2 }, &text);
        value = varve_buf_view(&text);
    } else if (token == JSON_END || token == JSON_NULL) {
        value = VARVE_STR("-");
    }
    table->failed |= text.failed;
    table_cell(table, value, token == JSON_INTEGER);
    varve_buf_fini(&text);
}

static void add_member(struct table *table, varve_str object, const char *name)
{
    varve_str value = { 0 };
    enum json_token token = page_member(object, name, &value);
    add_cell(table, token, value);
}

static void add_event(struct table *table, varve_str entry)
{
    varve_str metadata = VARVE_STR("{}");
    varve_str cause = { 0 };
    page_member(entry, "metadata", &metadata);
    add_member(table, entry, "recorded_at");
    add_member(table, entry, "version");
    add_member(table, entry, "type");
    add_member(table, metadata, "actor");
    /* What the command says has caused it, else the command. */
    enum json_token token = page_member(metadata, "command_causation_id", &cause);
    if (token != JSON_STRING) {
        token = page_member(metadata, "causation_id", &cause);
    }
    add_cell(table, token, cause);
}

varve_status history_change(struct table *table, varve_str operation, varve_error *error)
{
    varve_str kind = { 0 };
    varve_str value = { 0 };
    varve_buf path = { 0 };
    varve_buf text = { 0 };
    bool whole = varve_json_raw(operation, "op", &kind, NULL) == VARVE_OK &&
                 varve_json_string(operation, "path", &path, NULL) == VARVE_OK;
    const char *sign = varve_str_is(kind, "\"add\"") ? "+" : varve_str_is(kind, "\"remove\"") ? "-" : "~";
    varve_buf_printf(&text, "%s %s", sign, path.len == 0 ? "(everything)" : path.ptr);
    if (whole && varve_json_raw(operation, "value", &value, NULL) == VARVE_OK) {
        varve_buf_str(&text, VARVE_STR(" "));
        varve_buf_str(&text, value);
    }
    table->failed |= text.failed || path.failed;
    table_cell(table, varve_buf_view(&text), false);
    varve_buf_fini(&text);
    varve_buf_fini(&path);
    return whole ? VARVE_OK : varve_error_set(error, VARVE_UNAVAILABLE, "the history has a change of an unknown kind");
}

varve_status history_rows(struct table *table, varve_str entry, varve_error *error)
{
    struct json_scanner scanner;
    varve_str patch = { 0 };
    enum json_token token = page_member(entry, "patch", &patch);
    json_start_around(&scanner, patch);
    if (token != JSON_ARRAY || json_next(&scanner) != JSON_ARRAY) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "the history has an entry without a patch");
    }
    add_event(table, entry);
    token = json_next(&scanner);
    if (token != JSON_OBJECT) {
        table_cell(table, VARVE_STR("-"), false);
        return VARVE_OK;
    }
    varve_status status = VARVE_OK;
    for (size_t rows = 0; status == VARVE_OK && token == JSON_OBJECT; rows++) {
        varve_str operation = { 0 };
        if (json_skip(&scanner, token, &operation) == JSON_ERROR) {
            return varve_error_set(error, VARVE_UNAVAILABLE, "the history is not JSON");
        }
        for (size_t i = 0; rows > 0 && i < EVENT_COLUMNS; i++) {
            table_cell(table, VARVE_STR(""), false);
        }
        status = history_change(table, operation, error);
        token = json_next(&scanner);
    }
    return status;
}
