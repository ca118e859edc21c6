/* SPDX-License-Identifier: Apache-2.0 */
#include "query/explain.h"

#include <stdlib.h>

enum { LINES_MAX = 1000, DEPTH_MAX = 40 };

/* What stands behind `words` in a line, up to the next blank; empty when they are not in it. */
static varve_str behind(varve_str line, const char *words)
{
    size_t len = strlen(words);
    const char *found = line.len < len ? NULL : memmem(line.ptr, line.len, words, len);
    if (found == NULL) {
        return (varve_str){ 0 };
    }
    varve_str rest = { found + len, line.len - (size_t)(found + len - line.ptr) };
    const char *blank = memchr(rest.ptr, ' ', rest.len);
    rest.len = blank == NULL ? rest.len : (size_t)(blank - rest.ptr);
    return rest;
}

static bool holds(varve_str line, const char *words)
{
    return behind(line, words).ptr != NULL;
}

void explain_warn(varve_str line, varve_buf *warning)
{
    while (line.len > 0 && (*line.ptr == ' ' || *line.ptr == '-' || *line.ptr == '>')) {
        line.ptr++;
        line.len--;
    }
    bool scans = line.len > 5 && memcmp(line.ptr, "SCAN ", 5) == 0 && !holds(line, " USING ") &&
                 !holds(line, "CONSTANT ROW") && !holds(line, "VIRTUAL TABLE") && !holds(line, "page$") &&
                 !holds(line, "SCAN (");
    varve_str table = scans ? behind(line, "SCAN ") : behind(line, "Seq Scan on ");
    if (table.len > 0) {
        varve_buf_printf(warning,
                         "reads all of %.*s: no index serves this (or the table is so small that none is used)",
                         (int)table.len, table.ptr);
    } else if (holds(line, "USE TEMP B-TREE FOR ORDER BY") ||
               (line.len > 5 && memcmp(line.ptr, "Sort ", 5) == 0 && holds(line, "(cost"))) {
        varve_buf_str(warning, VARVE_STR("sorts all rows that it finds for each page: no index gives them in order"));
    }
}

/* Appends a JSON string to a list. */
static void add_item(varve_buf *list, varve_str text)
{
    varve_buf_str(list, list->len == 0 ? VARVE_STR("") : VARVE_STR(","));
    varve_buf_json_string(list, text);
}

/* The lines that SQLite's rows belong under, by their numbers. */
struct tree {
    int64_t ids[DEPTH_MAX];
    size_t depth;
};

static size_t indent(struct tree *tree, const struct sql_driver *sql, struct sql_statement *statement)
{
    struct sql_value id, parent;
    if (sql->column_count(statement) != 4) {
        return 0;
    }
    sql->column(statement, 0, &id);
    sql->column(statement, 1, &parent);
    while (tree->depth > 0 && tree->ids[tree->depth - 1] != parent.integer) {
        tree->depth--;
    }
    size_t depth = tree->depth;
    if (tree->depth < DEPTH_MAX) {
        tree->ids[tree->depth++] = id.integer;
    }
    return depth;
}

static varve_status read_plan(const struct page *page, const struct sql_driver *sql, struct sql_statement *statement,
                              varve_buf *plan, varve_buf *warnings, varve_error *error)
{
    struct tree tree = { .depth = 0 };
    varve_buf line = { 0 }, warning = { 0 };
    varve_status status = page_bind(page, sql, statement, error);
    for (int lines = 0; status == VARVE_OK && lines < LINES_MAX && (status = sql->step(statement, error)) == VARVE_OK;
         lines++) {
        struct sql_value text;
        varve_buf_reset(&line);
        varve_buf_reset(&warning);
        for (size_t depth = indent(&tree, sql, statement); depth > 0; depth--) {
            varve_buf_str(&line, VARVE_STR("  "));
        }
        sql->column(statement, sql->column_count(statement) - 1, &text);
        varve_buf_str(&line, text.text);
        explain_warn(varve_buf_view(&line), &warning);
        add_item(plan, varve_buf_view(&line));
        if (warning.len > 0) {
            add_item(warnings, varve_buf_view(&warning));
        }
        plan->failed |= line.failed || warning.failed;
    }
    sql->reset(statement);
    varve_buf_fini(&line);
    varve_buf_fini(&warning);
    return status < 0 ? status : VARVE_OK;
}

static varve_status ask_plan(const struct page *page, struct reader *reader, varve_str text, varve_buf *plan,
                             varve_buf *warnings, varve_error *error)
{
    const struct sql_driver *sql = reader->home->place.sql;
    struct sql_statement *statement = NULL;
    varve_buf asking = { 0 };
    varve_buf_str(&asking, varve_str_of(sql->explain));
    varve_buf_str(&asking, text);
    /* The text itself was prepared as a question when the query was loaded. */
    varve_status status = asking.failed
                              ? varve_error_set(error, VARVE_NOMEM, "no memory to explain a query")
                              : sql->prepare(&statement, reader->session, varve_buf_view(&asking), SQL_OURS, error);
    if (status == VARVE_OK) {
        status = read_plan(page, sql, statement, plan, warnings, error);
    }
    sql->finalize(statement);
    varve_buf_fini(&asking);
    return status;
}

static void write_parameters(const struct page *page, const struct sqlfile *file, varve_buf *out)
{
    size_t number = 0;
    const struct sqlfile_placeholder *place = page->own->placeholders;
    varve_buf_str(out, VARVE_STR(",\"parameters\":{"));
    for (; place != NULL; place = place->next) {
        const struct sqlfile_param *param = file->params;
        for (size_t i = 0; i < place->param; i++) {
            param = param->next;
        }
        varve_buf_printf(out, "%s\"p%zu\":", number == 0 ? "" : ",", number + 1);
        varve_buf_json_string(out, param->name);
        number++;
    }
    varve_buf_str(out, VARVE_STR("}"));
}

static varve_status write_reads(struct reader *reader, varve_buf *out, varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_buf_str(out, VARVE_STR(",\"reads\":["));
    for (size_t i = 0; status == VARVE_OK && i < reader->file->read_count; i++) {
        uint64_t position = 0;
        status = reader_position(reader, i, &position, error);
        varve_buf_str(out, i == 0 ? VARVE_STR("{\"projection\":") : VARVE_STR(",{\"projection\":"));
        varve_buf_json_string(out, reader->file->reads[i]);
        varve_buf_str(out, VARVE_STR(",\"generation\":"));
        if (reader->file->reads_inline[i]) {
            varve_buf_str(out, VARVE_STR("null"));
        } else {
            varve_buf_printf(out, "%llu", (unsigned long long)reader->numbers[i]);
        }
        varve_buf_printf(out, ",\"position\":%llu}", (unsigned long long)position);
    }
    varve_buf_str(out, VARVE_STR("]"));
    return status;
}

varve_status explain_page(const struct page *page, struct reader *reader, uint64_t position, varve_buf *out,
                          varve_error *error)
{
    varve_buf text = { 0 }, plan = { 0 }, warnings = { 0 };
    page_write_first(page, &text);
    varve_status status = text.failed ? varve_error_set(error, VARVE_NOMEM, "no memory to explain a query")
                                      : ask_plan(page, reader, varve_buf_view(&text), &plan, &warnings, error);
    varve_buf_str(out, VARVE_STR("{\"query\":"));
    varve_buf_json_string(out, reader->file->name);
    varve_buf_str(out, VARVE_STR(",\"statement\":"));
    varve_buf_json_string(out, varve_buf_view(&text));
    write_parameters(page, reader->file, out);
    if (status == VARVE_OK) {
        status = write_reads(reader, out, error);
    }
    varve_buf_printf(out, ",\"position\":%llu,\"plan\":[", (unsigned long long)position);
    varve_buf_str(out, varve_buf_view(&plan));
    varve_buf_str(out, VARVE_STR("],\"warnings\":["));
    varve_buf_str(out, varve_buf_view(&warnings));
    varve_buf_str(out, VARVE_STR("]}"));
    out->failed |= plan.failed || warnings.failed || text.failed;
    if (status == VARVE_OK && out->failed) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory to explain a query");
    }
    varve_buf_fini(&text);
    varve_buf_fini(&plan);
    varve_buf_fini(&warnings);
    return status;
}
