/* SPDX-License-Identifier: Apache-2.0 */
#include "query/query.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "query/explain.h"
#include "query/page.h"
#include "query/request.h"
#include "query/statement.h"

enum { OPEN_ATTEMPTS = 8, ANSWER_BYTES_MAX = 16 << 20 };

struct query {
    struct sqlfile *file;
    const struct reader_home *home;
    struct paging paging;
    varve_buf text; /* the statement of the first page */
    uint32_t salt;  /* of cursors: a checksum over it */
};

static const struct sqlfile_statement *statement_of(const struct query *query)
{
    return query->file->question->statements;
}

varve_status query_new(struct query **out, struct sqlfile *file, const struct reader_home *home, varve_error *error)
{
    *out = NULL;
    struct query *query = calloc(1, sizeof *query);
    if (query == NULL) {
        sqlfile_free(file);
        return varve_error_set(error, VARVE_NOMEM, "no memory for a query");
    }
    query->file = file;
    query->home = home;
    *out = query;
    return VARVE_OK;
}

void query_free(struct query *query)
{
    if (query != NULL) {
        query_forget(query);
        varve_buf_fini(&query->text);
        paging_fini(&query->paging);
        sqlfile_free(query->file);
        free(query);
    }
}

void query_note_inline(struct query *query, size_t i)
{
    query->file->reads_inline[i] = true;
}

const struct sqlfile *query_file(const struct query *query)
{
    return query->file;
}

/* Columns become the fields of an object. */
static varve_status check_columns(const struct query *query, struct sql_statement *statement, varve_error *error)
{
    const struct sql_driver *sql = query->home->place.sql;
    int count = sql->column_count(statement);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            if (strcmp(sql->column_name(statement, i), sql->column_name(statement, j)) == 0) {
                return sqlfile_fail(query->file, statement_of(query)->line, VARVE_INVALID, error,
                                    "two columns are called %s", sql->column_name(statement, i));
            }
        }
    }
    return VARVE_OK;
}

varve_status query_check(struct query *query, struct sql_session *session, varve_error *error)
{
    const struct sql_driver *sql = query->home->place.sql;
    struct sql_statement *statement = NULL;
    varve_status status = request_check_defaults(query->file, error);
    if (status == VARVE_OK) {
        status = statement_prepare(&statement, query->file, statement_of(query), sql, session, SQL_QUESTION, error);
    }
    if (status == VARVE_OK) {
        status = check_columns(query, statement, error);
    }
    if (status == VARVE_OK) {
        paging_fini(&query->paging);
        status = paging_init(&query->paging, query->file, sql, session, statement, error);
    }
    sql->finalize(statement);
    if (status < 0) {
        return status;
    }
    varve_buf_reset(&query->text);
    paging_write_first(&query->paging, &query->text);
    if (query->text.failed) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a query");
    }
    query->salt = crc32c(0, query->text.ptr, query->text.len);
    return VARVE_OK;
}

void query_forget(struct query *query)
{
    reader_pool_forget(query->home->pool, query->file);
}

/* A reader with its transaction begun, which may take `limit_ms`. */
static varve_status take_reader(struct query *query, uint32_t limit_ms, struct reader **out, uint64_t *position,
                                varve_error *error)
{
    varve_status status = VARVE_DONE;
    bool in_a_file = (query->home->place.sql->capabilities & SQL_IN_A_FILE) != 0;
    *out = NULL;
    for (int attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
        struct reader *reader = reader_pool_take(query->home->pool, query->file);
        status = reader != NULL ? VARVE_OK
                                : reader_open(&reader, query->home, query->file, varve_buf_view(&query->text), error);
        if (reader == NULL && status == VARVE_IO && !in_a_file && error != NULL) {
            const varve_error cause = *error; /* a server that is away, or has no connection left: that may pass */
            status = varve_error_set(error, VARVE_UNAVAILABLE, "%s", cause.message);
        }
        if (status == VARVE_OK) {
            status = reader_begin(reader, limit_ms, position, error);
        }
        if (status == VARVE_OK) {
            *out = reader;
            return status;
        }
        reader_close(reader);
        /* Stale, or gone while it was being opened: another generation serves by now. Or its connection is lost. */
        if (status != VARVE_DONE && status != VARVE_NOT_FOUND) {
            return status;
        }
        query_forget(query);
    }
    return varve_error_set(error, VARVE_UNAVAILABLE, "the models of query %.*s cannot be opened",
                           (int)query->file->name.len, query->file->name.ptr);
}

static void give_back(const struct query *query, struct reader *reader)
{
    reader_end(reader);
    reader_pool_give(query->home->pool, reader);
}

varve_status query_position(struct query *query, uint64_t *position, varve_error *error)
{
    struct reader *reader = NULL;
    varve_status status = take_reader(query, QUERY_TIME_MS, &reader, position, error);
    if (status == VARVE_OK) {
        give_back(query, reader);
    }
    return status;
}

/* What the database says becomes what varve_query says. */
static varve_status translate(const struct query *query, uint32_t limit_ms, varve_status status, varve_error *error)
{
    varve_error cause = { 0 };
    if (error != NULL) {
        cause = *error;
    }
    switch (status) {
    case VARVE_TIMEOUT:
        return varve_error_set(error, status, "query %.*s ran longer than %u ms", (int)query->file->name.len,
                               query->file->name.ptr, (unsigned)limit_ms);
    case VARVE_INVALID:
    case VARVE_DENIED:
    case VARVE_CONFLICT:
    case VARVE_APPLICATION:
        return varve_error_set(error, VARVE_APPLICATION, "query %.*s: %s", (int)query->file->name.len,
                               query->file->name.ptr, cause.message);
    default:
        return status;
    }
}

/* What a request asks for. Starts zeroed, ends with asked_fini. */
struct asked {
    struct page page;
    struct sql_value *values;
    struct arena arena;
};

static void asked_fini(struct asked *asked)
{
    page_fini(&asked->page);
    free(asked->values);
    arena_fini(&asked->arena);
}

static varve_status read_request(const struct query *query, const varve_query_request *request, struct asked *asked,
                                 varve_error *error)
{
    struct page *page = &asked->page;
    *page = (struct page){ .paging = &query->paging,
                           .own = statement_of(query),
                           .limit = request->limit == 0 ? QUERY_LIMIT_DEFAULT : request->limit,
                           .bytes_max = ANSWER_BYTES_MAX };
    page->values = asked->values = calloc(query->file->param_count + 1, sizeof *asked->values);
    if (asked->values == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory to ask a query");
    }
    if (page->limit > QUERY_LIMIT_MAX) {
        return varve_error_set(error, VARVE_INVALID, "limit is at most %d", QUERY_LIMIT_MAX);
    }
    varve_status status = request_read_params(query->file, request, &asked->arena, asked->values, error);
    if (status < 0) {
        return status;
    }
    page->salt = query->salt ^ request_salt(query->file, request);
    /* Where values keep their kinds, any bytes may have been a text of the last row's. */
    bool clean = (query->home->place.sql->capabilities & SQL_KEEPS_KINDS) == 0;
    return cursor_read(&page->cursor, request->cursor, page->salt, query->paging.term_count, clean, error);
}

varve_status query_check_request(const struct query *query, const varve_query_request *request, varve_error *error)
{
    struct asked asked = { 0 };
    varve_status status = read_request(query, request, &asked, error);
    asked_fini(&asked);
    return status;
}

varve_status query_ask(struct query *query, const varve_query_request *request, uint32_t limit_ms, varve_answer *answer,
                       varve_error *error)
{
    struct reader *reader = NULL;
    struct asked asked = { 0 };
    struct page *page = &asked.page;
    *answer = (varve_answer){ 0 };
    varve_status status = read_request(query, request, &asked, error);
    if (status == VARVE_OK) {
        status = take_reader(query, limit_ms, &reader, &answer->position, error);
    }
    if (status < 0) {
        goto done;
    }
    ASSERT(reader != NULL);
    status = page_read(page, reader, error);
    give_back(query, reader);
    if (status < 0) {
        status = translate(query, limit_ms, status, error);
        goto done;
    }
    size_t end = page->rows.len;
    varve_buf_str(&page->rows, varve_buf_view(&page->next));
    if (page->rows.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory for the answer");
        goto done;
    }
    answer->row_count = page->count;
    answer->rows = (varve_str){ page->rows.ptr, end };
    answer->next = (varve_str){ page->rows.ptr + end, page->rows.len - end };
    answer->memory = page->rows.ptr;
    page->rows = (varve_buf){ 0 };
done:
    if (status < 0) {
        varve_answer_fini(answer);
    }
    asked_fini(&asked);
    return status;
}

varve_status query_explain(struct query *query, const varve_query_request *request, uint32_t limit_ms, varve_buf *out,
                           varve_error *error)
{
    struct reader *reader = NULL;
    struct asked asked = { 0 };
    uint64_t position = 0;
    varve_status status = read_request(query, request, &asked, error);
    if (status == VARVE_OK) {
        status = take_reader(query, limit_ms, &reader, &position, error);
    }
    if (status == VARVE_OK) {
        status = explain_page(&asked.page, reader, position, out, error);
        give_back(query, reader);
        status = status < 0 ? translate(query, limit_ms, status, error) : status;
    }
    asked_fini(&asked);
    return status;
}
