/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL files, as a projection and as a query, and what code gives, as tables and as a statement, for both dialects: what
 * comes out is whole, its placeholders are numbered as they should be, and a statement that is read again stays as it
 * is.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "fuzz/fuzz.h"
#include "query/sqlfile.h"

static const char *const dialects[] = { "sqlite", "postgres" };

static uint32_t count_lines(varve_str text)
{
    uint32_t lines = 1;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    return lines;
}

/* How often the text has exactly this, such as ":p1" that is not the beginning of ":p12". */
static bool mentions(varve_str text, const char *place)
{
    size_t len = strlen(place);
    for (size_t at = 0; at + len <= text.len; at++) {
        bool ends = at + len == text.len || text.ptr[at + len] < '0' || text.ptr[at + len] > '9';
        if (ends && memcmp(text.ptr + at, place, len) == 0) return true;
    }
    return false;
}

static void check_placeholders(const struct sqlfile *file, const struct sqlfile_statement *statement)
{
    size_t number = 0;
    for (const struct sqlfile_placeholder *p = statement->placeholders; p != NULL; p = p->next) {
        char place[32];
        varve_str value = { 0 };
        (void)snprintf(place, sizeof place, ":p%zu", ++number);
        ASSERT(mentions(statement->text, place));
        ASSERT(p->source == SQLFILE_PARAM ? p->param < file->param_count : file->question == NULL);
        /* A path is one that json_find takes: it says that nothing is there, and does not stop the program. */
        ASSERT(json_find(VARVE_STR("{}"), p->path, &value) == (p->path.len == 0 ? JSON_OBJECT : JSON_END));
    }
    ASSERT(number == statement->placeholder_count);
}

static void check_statements(const struct sqlfile *file, const struct sqlfile_section *section, uint32_t lines)
{
    uint32_t line = section->line;
    for (const struct sqlfile_statement *s = section->statements; s != NULL; s = s->next) {
        ASSERT(s->text.len > 0 && s->text.ptr[s->text.len] == '\0');
        ASSERT(s->line >= line && s->line + count_lines(s->text) - 1 <= lines);
        check_placeholders(file, s);
        line = s->line;
    }
}

/* The statement of a query, put into a file of its own, is read as the same statement. */
static void check_rereading(const struct sqlfile *file, const char *dialect)
{
    const struct sqlfile_statement *statement = file->question->statements;
    struct sqlfile *again = NULL;
    varve_error error = { 0 };
    varve_buf text = { 0 };

    varve_buf_str(&text, VARVE_STR("-- @query again\n-- @reads model\n"));
    for (size_t i = 1; i <= statement->placeholder_count; i++) varve_buf_printf(&text, "-- @param p%zu text\n", i);
    varve_buf_str(&text, statement->text);
    ASSERT(!text.failed);
    varve_status status = sqlfile_parse(&again, SQLFILE_QUERY, "again.sql", varve_buf_view(&text), dialect, &error);
    ASSERT(status == VARVE_OK);
    ASSERT(varve_str_eq(again->question->statements->text, statement->text));
    ASSERT(again->question->statements->placeholder_count == statement->placeholder_count);
    sqlfile_free(again);
    varve_buf_fini(&text);
}

static void check_projection(const struct sqlfile *file, uint32_t lines)
{
    ASSERT(file->name.len > 0);
    ASSERT(file->version > 0 && file->question == NULL && file->create->statements != NULL);
    ASSERT(file->create->statements->placeholder_count == 0);
    check_statements(file, file->create, lines);
    for (const struct sqlfile_section *on = file->handlers; on != NULL; on = on->next) {
        ASSERT(on->type_count > 0);
        for (size_t i = 0; i < on->type_count; i++) ASSERT(on->types[i].len > 0);
        check_statements(file, on, lines);
    }
}

static void check_query(const struct sqlfile *file, uint32_t lines, const char *dialect)
{
    size_t params = 0;
    ASSERT(file->name.len > 0);
    ASSERT(file->read_count > 0 && file->read_count <= SQLFILE_READS_MAX && file->handlers == NULL);
    ASSERT(file->question->statements->next == NULL);
    for (const struct sqlfile_param *param = file->params; param != NULL; param = param->next) params++;
    ASSERT(params == file->param_count);
    check_statements(file, file->question, lines);
    check_rereading(file, dialect);
}

/* What code gives: tables, or one statement, whose parameters are those that it uses. */
static void check_of_code(enum sqlfile_kind kind, const struct sqlfile *file, uint32_t lines, const char *dialect)
{
    ASSERT(file->name.len == 0 && file->handlers == NULL);
    if (kind == SQLFILE_TABLES) {
        ASSERT(file->question == NULL && file->create->statements != NULL);
        check_statements(file, file->create, lines);
        return;
    }
    ASSERT(file->create == NULL && file->question->statements->next == NULL);
    ASSERT(file->question->statements->placeholder_count == file->param_count);
    check_statements(file, file->question, lines);
    check_rereading(file, dialect);
}

static void check(enum sqlfile_kind kind, varve_str text, const char *dialect)
{
    struct sqlfile *file = NULL;
    varve_error error = { 0 };
    uint32_t lines = count_lines(text);
    varve_status status = sqlfile_parse(&file, kind, "f.sql", text, dialect, &error);

    if (status < 0) {
        fuzz_refused(status, &error);
        ASSERT(file == NULL);
        ASSERT(status == VARVE_NOMEM || (error.detail >= 0 && error.detail <= lines));
        return;
    }
    if (kind == SQLFILE_PROJECTION)
        check_projection(file, lines);
    else if (kind == SQLFILE_QUERY)
        check_query(file, lines, dialect);
    else
        check_of_code(kind, file, lines, dialect);
    sqlfile_free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        check(SQLFILE_PROJECTION, fuzz_text(data, size), dialects[i]);
        check(SQLFILE_QUERY, fuzz_text(data, size), dialects[i]);
        check(SQLFILE_TABLES, fuzz_text(data, size), dialects[i]);
        check(SQLFILE_STATEMENT, fuzz_text(data, size), dialects[i]);
    }
    return 0;
}
