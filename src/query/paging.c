/* SPDX-License-Identifier: Apache-2.0 */
#include "query/paging.h"

#include <strings.h>

/* No author's table can be called so without quoting it. */
#define PAGE "\"page$\""

static uint32_t line_of(const struct sqlfile_statement *statement, size_t at)
{
    uint32_t line = statement->line;
    for (size_t i = 0; i < at && i < statement->text.len; i++) {
        line += statement->text.ptr[i] == '\n';
    }
    return line;
}

static uint32_t order_line(const struct sqlfile_statement *statement, const struct clauses *clauses)
{
    return line_of(statement, clauses->order.len == 0 ? 0 : (size_t)(clauses->order.ptr - statement->text.ptr));
}

/* Is this column meant? As the database would read the name. */
static bool is_called(const struct sql_driver *sql, const char *column, varve_str name, bool quoted)
{
    if (strlen(column) != name.len) {
        return false;
    }
    if ((sql->capabilities & SQL_FOLDS_NAMES) == 0) {
        return strncasecmp(column, name.ptr, name.len) == 0;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (column[i] != (!quoted && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c)) {
            return false;
        }
    }
    return true;
}

/* The column of the answer that a name or number means, from 1; 0 when it is an expression. */
static size_t find_column(const struct sql_driver *sql, const struct sql_statement *statement, varve_str expression)
{
    size_t count = (size_t)sql->column_count(statement);
    size_t ordinal = clauses_ordinal(expression);
    bool quoted = false;
    varve_str name = clauses_name(expression, &quoted);
    if (ordinal > 0) {
        return ordinal <= count ? ordinal : 0;
    }
    for (size_t i = 0; name.len > 0 && i < count; i++) {
        if (is_called(sql, sql->column_name(statement, (int)i), name, quoted)) {
            return i + 1;
        }
    }
    return 0;
}

/* As find_column; where a column of the answer can be meant with a collation behind it, that is taken off. */
static size_t column_of(const struct sql_driver *sql, const struct sql_statement *statement, varve_str expression,
                        varve_str *collation)
{
    size_t column = find_column(sql, statement, expression);
    *collation = (varve_str){ 0 };
    if (column == 0 && (sql->capabilities & SQL_FOLDS_NAMES) == 0) {
        *collation = clauses_collation(&expression);
        column = collation->len > 0 ? find_column(sql, statement, expression) : 0;
    }
    return column;
}

static bool has_term(const struct paging *paging, size_t column)
{
    for (size_t i = 0; i < paging->term_count; i++) {
        if (paging->terms[i].column == column && paging->terms[i].collation.len == 0) {
            return true;
        }
    }
    return false;
}

static void add_term(struct paging *paging, const struct sql_driver *sql, const struct clauses_term *term,
                     size_t column)
{
    bool small = (sql->capabilities & SQL_NULLS_ARE_SMALL) != 0;
    struct paging_term *added = &paging->terms[paging->term_count++];
    *added = (struct paging_term){ .column = column, .descending = term->descending, .nulls = term->nulls };
    added->nulls_first =
        term->nulls == CLAUSES_NULLS_AS_USUAL ? small != term->descending : term->nulls == CLAUSES_NULLS_FIRST;
}

/* The ORDER BY's terms, then the other columns; expressions are appended to `hidden` as columns to be selected. */
static varve_status read_terms(struct paging *paging, const struct sqlfile *file, const struct sql_driver *sql,
                               const struct sql_statement *statement, const struct clauses *clauses, varve_buf *hidden,
                               varve_error *error)
{
    static const struct clauses_term plain;
    const struct sqlfile_statement *own = file->question->statements;
    paging->terms = arena_array(&paging->arena, paging->visible + clauses->term_count + 1, sizeof *paging->terms);
    if (paging->terms == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a query");
    }
    for (size_t i = 0; i < clauses->term_count; i++) {
        const struct clauses_term *term = &clauses->terms[i];
        varve_str collation;
        size_t column = column_of(sql, statement, term->expression, &collation);
        if (column > 0) {
            if (collation.len > 0 || !has_term(paging, column - 1)) {
                add_term(paging, sql, term, column - 1);
                paging->terms[paging->term_count - 1].collation = collation;
            }
        } else if (clauses->select_end > 0) {
            varve_buf_printf(hidden, ", %.*s", (int)term->expression.len, term->expression.ptr);
            add_term(paging, sql, term, paging->columns++);
        } else {
            return sqlfile_fail(file, order_line(own, clauses), VARVE_INVALID, error,
                                "pages need '%.*s' among the columns, since this statement has DISTINCT or is put "
                                "together: select it AS a name and order by that",
                                (int)(term->expression.len > 80 ? 80 : term->expression.len), term->expression.ptr);
        }
    }
    for (size_t i = 0; i < paging->visible; i++) {
        if (!has_term(paging, i)) {
            add_term(paging, sql, &plain, i);
        }
    }
    return VARVE_OK;
}

static void add_name(varve_buf *text, const char *name)
{
    varve_buf_str(text, VARVE_STR("\""));
    for (; *name != '\0'; name++) {
        varve_buf_add(text, name, 1);
        if (*name == '"') {
            varve_buf_add(text, name, 1);
        }
    }
    varve_buf_str(text, VARVE_STR("\""));
}

static void write_rows(struct paging *paging, const struct sql_driver *sql, const struct sql_statement *statement,
                       const struct clauses *clauses, varve_str hidden)
{
    varve_buf *text = &paging->rows;
    size_t split = clauses->select_end;
    varve_str before = clauses->before;
    varve_buf_str(text, VARVE_STR("WITH " PAGE "("));
    for (size_t i = 0; i < paging->columns; i++) {
        varve_buf_printf(text, "%sc%zu", i == 0 ? "" : ", ", i + 1);
    }
    varve_buf_str(text, VARVE_STR(") AS (\n"));
    if (hidden.len > 0) {
        split = split < before.len ? split : before.len;
        varve_buf_add(text, before.ptr, split);
        varve_buf_printf(text, "%.*s ", (int)hidden.len, hidden.ptr);
        before.ptr += split;
        before.len -= split;
    }
    varve_buf_str(text, before);
    if (clauses->order_chooses) {
        varve_buf_str(text, clauses->order);
        varve_buf_str(text, clauses->after);
    }
    varve_buf_str(text, VARVE_STR("\n)\nSELECT "));
    for (size_t i = 0; i < paging->columns; i++) {
        varve_buf_printf(text, "%sc%zu", i == 0 ? "" : ", ", i + 1);
        if (i < paging->visible) {
            varve_buf_str(text, VARVE_STR(" AS "));
            add_name(text, sql->column_name(statement, (int)i));
        }
    }
    varve_buf_str(text, VARVE_STR("\nFROM " PAGE));
}

static void add_column(const struct paging_term *term, varve_buf *text)
{
    varve_buf_printf(text, term->as_text ? "CAST(c%zu AS TEXT)" : "c%zu", term->column + 1);
    if (term->collation.len > 0) {
        varve_buf_printf(text, " %.*s", (int)term->collation.len, term->collation.ptr);
    }
}

static void write_end(const struct paging *paging, varve_buf *text)
{
    static const char *const nulls[] = { "", " NULLS FIRST", " NULLS LAST" };
    varve_buf_str(text, VARVE_STR("\nORDER BY "));
    for (size_t i = 0; i < paging->term_count; i++) {
        const struct paging_term *term = &paging->terms[i];
        varve_buf_str(text, i == 0 ? VARVE_STR("") : VARVE_STR(", "));
        add_column(term, text);
        varve_buf_printf(text, "%s%s", term->descending ? " DESC" : "", nulls[term->nulls]);
    }
    varve_buf_str(text, VARVE_STR("\nLIMIT :varve_limit"));
}

/* Types such as json have no order, and an anonymous record cannot be given: their text has, and can. */
static varve_status find_unordered(struct paging *paging, const struct sql_driver *sql, struct sql_session *session,
                                   varve_error *error)
{
    varve_buf text = { 0 };
    varve_status status = VARVE_OK;
    for (size_t i = 0; status == VARVE_OK && i < paging->term_count; i++) {
        struct sql_statement *probe = NULL;
        varve_buf_reset(&text);
        varve_buf_str(&text, varve_buf_view(&paging->rows));
        size_t column = paging->terms[i].column + 1;
        varve_buf_printf(&text, "\nWHERE c%zu = :varve_k1\nORDER BY c%zu", column, column);
        status = text.failed ? varve_error_set(error, VARVE_NOMEM, "no memory for a query")
                             : sql->prepare(&probe, session, varve_buf_view(&text), SQL_QUESTION, error);
        paging->terms[i].as_text = status == VARVE_INVALID;
        status = status == VARVE_INVALID ? VARVE_OK : status;
        sql->finalize(probe);
    }
    varve_buf_fini(&text);
    return status;
}

/* Is there a statement for the first page, and for what is behind any row? */
static varve_status try_pages(const struct paging *paging, const struct sqlfile *file, const struct sql_driver *sql,
                              struct sql_session *session, const struct clauses *clauses, varve_error *error)
{
    varve_buf text = { 0 };
    varve_error refusal = { 0 };
    varve_status status = VARVE_OK;
    for (int page = 0; status == VARVE_OK && page < 2; page++) {
        struct sql_statement *statement = NULL;
        varve_buf_reset(&text);
        varve_buf_str(&text, varve_buf_view(&paging->rows));
        for (size_t i = 0; page > 0 && i < paging->term_count; i++) {
            varve_buf_str(&text, i == 0 ? VARVE_STR("\nWHERE ") : VARVE_STR(" AND "));
            add_column(&paging->terms[i], &text);
            varve_buf_printf(&text, " = :varve_k%zu", i + 1);
        }
        write_end(paging, &text);
        status = text.failed ? varve_error_set(&refusal, VARVE_NOMEM, "no memory for a query")
                             : sql->prepare(&statement, session, varve_buf_view(&text), SQL_QUESTION, &refusal);
        sql->finalize(statement);
    }
    varve_buf_fini(&text);
    if (status == VARVE_INVALID || status == VARVE_DENIED) {
        status = sqlfile_fail(file, order_line(file->question->statements, clauses), VARVE_INVALID, error,
                              "its rows cannot be put in order for pages, order by columns of the answer: %s",
                              refusal.message);
    } else if (status < 0 && error != NULL) {
        *error = refusal;
    }
    return status;
}

varve_status paging_init(struct paging *paging, const struct sqlfile *file, const struct sql_driver *sql,
                         struct sql_session *session, const struct sql_statement *statement, varve_error *error)
{
    struct clauses clauses;
    varve_buf hidden = { 0 };
    const struct sqlfile_statement *own = file->question->statements;
    clauses_read(&clauses, own->text);
    if (clauses.refuse != NULL) {
        return sqlfile_fail(file, line_of(own, clauses.refuse_at), VARVE_INVALID, error, "%s", clauses.refuse);
    }
    paging->visible = paging->columns = (size_t)sql->column_count(statement);
    if (paging->visible == 0) {
        return sqlfile_fail(file, own->line, VARVE_INVALID, error, "the statement has no columns");
    }
    varve_status status = read_terms(paging, file, sql, statement, &clauses, &hidden, error);
    if (status == VARVE_OK) {
        write_rows(paging, sql, statement, &clauses, varve_buf_view(&hidden));
        if (paging->rows.failed || hidden.failed) {
            status = varve_error_set(error, VARVE_NOMEM, "no memory for a query");
        }
    }
    varve_buf_fini(&hidden);
    if (status == VARVE_OK && try_pages(paging, file, sql, session, &clauses, error) < 0) {
        status = find_unordered(paging, sql, session, error);
        if (status == VARVE_OK) {
            status = try_pages(paging, file, sql, session, &clauses, error);
        }
    }
    return status;
}

void paging_fini(struct paging *paging)
{
    varve_buf_fini(&paging->rows);
    arena_fini(&paging->arena);
    *paging = (struct paging){ 0 };
}

void paging_write_first(const struct paging *paging, varve_buf *text)
{
    varve_buf_str(text, varve_buf_view(&paging->rows));
    write_end(paging, text);
}

/* The first part in which as many values are equal, if there is one; else with fewer. */
static bool enter(const struct paging *paging, const struct sql_value *key, size_t count, struct paging_part *part)
{
    while (count > 0) {
        part->equal = --count;
        if (key[count].kind != SQL_NULL) {
            part->which = PAGING_RANGE;
            return true;
        }
        if (paging->terms[count].nulls_first) {
            part->which = PAGING_OTHERS;
            return true;
        }
    }
    return false;
}

bool paging_first_part(const struct paging *paging, const struct sql_value *key, size_t count, bool inclusive,
                       struct paging_part *part)
{
    *part = (struct paging_part){ count, PAGING_EQUAL };
    return inclusive || enter(paging, key, count, part);
}

bool paging_next_part(const struct paging *paging, const struct sql_value *key, struct paging_part *part)
{
    if (part->which == PAGING_RANGE && !paging->terms[part->equal].nulls_first) {
        part->which = PAGING_NULLS;
        return true;
    }
    return enter(paging, key, part->equal, part);
}

bool paging_compares(const struct sql_value *key, const struct paging_part *part, size_t value)
{
    return (value < part->equal || (value == part->equal && part->which == PAGING_RANGE)) &&
           key[value].kind != SQL_NULL;
}

void paging_write_part(const struct paging *paging, const struct sql_value *key, const struct paging_part *part,
                       varve_buf *text)
{
    size_t count = part->which == PAGING_EQUAL ? part->equal : part->equal + 1;
    varve_buf_str(text, varve_buf_view(&paging->rows));
    for (size_t i = 0; i < count; i++) {
        const struct paging_term *term = &paging->terms[i];
        bool last = i == part->equal;
        varve_buf_str(text, i == 0 ? VARVE_STR("\nWHERE ") : VARVE_STR(" AND "));
        add_column(term, text);
        if (paging_compares(key, part, i)) {
            varve_buf_printf(text, " %s :varve_k%zu", !last ? "=" : term->descending ? "<" : ">", i + 1);
        } else {
            varve_buf_str(text,
                          last && part->which == PAGING_OTHERS ? VARVE_STR(" IS NOT NULL") : VARVE_STR(" IS NULL"));
        }
    }
    write_end(paging, text);
}
