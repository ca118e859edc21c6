/* SPDX-License-Identifier: Apache-2.0 */
#include "query/query.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "query/answer.h"
#include "query/request.h"
#include "query/statement.h"

enum { IDLE_READERS_MAX = 4, OPEN_ATTEMPTS = 8, ANSWER_BYTES_MAX = 64 << 20 };

struct query {
    struct sqlfile *file;
    const struct reader_home *home;
    varve_buf text; /* the statement, with LIMIT and OFFSET behind it when it takes them */
    bool paged;     /* it does: a statement with a LIMIT of its own does not, and is paged by stepping over rows */
    pthread_mutex_t lock;
    struct reader *idle;
    size_t idle_count;
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
    pthread_mutex_init(&query->lock, NULL);
    *out = query;
    return VARVE_OK;
}

void query_free(struct query *query)
{
    if (query != NULL) {
        query_forget(query);
        pthread_mutex_destroy(&query->lock);
        varve_buf_fini(&query->text);
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
    varve_status status =
        statement_prepare(&statement, query->file, statement_of(query), sql, session, SQL_QUESTION, error);
    if (status == VARVE_OK) {
        status = check_columns(query, statement, error);
    }
    sql->finalize(statement);
    if (status < 0) {
        return status;
    }
    varve_buf_reset(&query->text);
    varve_buf_str(&query->text, statement_of(query)->text);
    size_t plain = query->text.len;
    varve_buf_str(&query->text, VARVE_STR("\nLIMIT :varve_limit OFFSET :varve_offset"));
    if (query->text.failed) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a query");
    }
    query->paged = sql->prepare(&statement, session, varve_buf_view(&query->text), SQL_QUESTION, NULL) == VARVE_OK;
    sql->finalize(statement);
    if (!query->paged) {
        query->text.len = plain;
    }
    return VARVE_OK;
}

void query_forget(struct query *query)
{
    pthread_mutex_lock(&query->lock);
    struct reader *idle = query->idle;
    query->idle = NULL;
    query->idle_count = 0;
    pthread_mutex_unlock(&query->lock);
    while (idle != NULL) {
        struct reader *reader = idle;
        idle = idle->next;
        reader_close(reader);
    }
}

/* A reader with its transaction begun, which may take `limit_ms`. */
static varve_status take_reader(struct query *query, uint32_t limit_ms, struct reader **out, uint64_t *position,
                                varve_error *error)
{
    varve_status status = VARVE_DONE;
    *out = NULL;
    for (int attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
        pthread_mutex_lock(&query->lock);
        struct reader *reader = query->idle;
        if (reader != NULL) {
            query->idle = reader->next;
            query->idle_count--;
        }
        pthread_mutex_unlock(&query->lock);
        status = reader != NULL ? VARVE_OK
                                : reader_open(&reader, query->home, query->file, varve_buf_view(&query->text), error);
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
    }
    return varve_error_set(error, VARVE_UNAVAILABLE, "the models of query %.*s cannot be opened",
                           (int)query->file->name.len, query->file->name.ptr);
}

static void give_back(struct query *query, struct reader *reader)
{
    reader_end(reader);
    bool current = reader_is_current(reader);
    pthread_mutex_lock(&query->lock);
    if (current && query->idle_count < IDLE_READERS_MAX) {
        reader->next = query->idle;
        query->idle = reader;
        query->idle_count++;
        reader = NULL;
    }
    pthread_mutex_unlock(&query->lock);
    reader_close(reader);
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

/* One page: which rows, and what it is asked with. */
struct page {
    struct sql_value *values; /* the declared parameters */
    uint64_t offset;
    uint32_t limit;
    bool more; /* there are rows after it */
};

static varve_status bind_all(const struct query *query, struct sql_statement *statement, const struct page *page,
                             varve_error *error)
{
    const struct sql_driver *sql = query->home->place.sql;
    varve_status status = VARVE_OK;
    int parameter = 0;
    const struct sqlfile_placeholder *place = statement_of(query)->placeholders;
    for (; status == VARVE_OK && place != NULL; place = place->next) {
        status = sql->bind(statement, ++parameter, &page->values[place->param], error);
    }
    if (status == VARVE_OK && query->paged) {
        /* One row more than the page tells whether there is another page. */
        const struct sql_value limit = { .kind = SQL_INTEGER, .integer = (int64_t)page->limit + 1 };
        const struct sql_value offset = { .kind = SQL_INTEGER, .integer = (int64_t)page->offset };
        status = sql->bind(statement, sql->parameter(statement, "varve_limit"), &limit, error);
        if (status == VARVE_OK) {
            status = sql->bind(statement, sql->parameter(statement, "varve_offset"), &offset, error);
        }
    }
    return status;
}

static varve_status read_rows(const struct query *query, struct sql_statement *statement, struct page *page,
                              varve_buf *rows, size_t *count, varve_error *error)
{
    const struct sql_driver *sql = query->home->place.sql;
    uint64_t skip = query->paged ? 0 : page->offset;
    varve_status status = bind_all(query, statement, page, error);
    varve_buf_add(rows, "[", 1);
    while (status == VARVE_OK && (status = sql->step(statement, error)) == VARVE_OK) {
        if (skip > 0) {
            skip--;
            continue;
        }
        if (*count == page->limit) {
            page->more = true;
            break;
        }
        if (*count > 0) {
            varve_buf_add(rows, ",", 1);
        }
        answer_add_row(sql, statement, rows);
        (*count)++;
        if (rows->failed) {
            status = varve_error_set(error, VARVE_NOMEM, "no memory for the answer");
        } else if (rows->len > ANSWER_BYTES_MAX) {
            status = varve_error_set(error, VARVE_TOO_LARGE, "the page is over %d bytes", (int)ANSWER_BYTES_MAX);
        }
    }
    varve_buf_add(rows, "]", 1);
    sql->reset(statement);
    return status < 0 ? status : VARVE_OK;
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

/* Reads what is asked for into a page, whose values are freed by the caller. */
static varve_status read_request(const struct query *query, const varve_query_request *request, struct page *page,
                                 varve_error *error)
{
    *page = (struct page){ .limit = request->limit == 0 ? QUERY_LIMIT_DEFAULT : request->limit };
    page->values = calloc(query->file->param_count + 1, sizeof *page->values);
    if (page->values == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory to ask a query");
    }
    if (page->limit > QUERY_LIMIT_MAX) {
        return varve_error_set(error, VARVE_INVALID, "limit is at most %d", QUERY_LIMIT_MAX);
    }
    varve_status status = request_read_params(query->file, request, page->values, error);
    return status < 0 ? status : request_read_cursor(query->file, request, &page->offset, error);
}

varve_status query_check_request(const struct query *query, const varve_query_request *request, varve_error *error)
{
    struct page page;
    varve_status status = read_request(query, request, &page, error);
    free(page.values);
    return status;
}

varve_status query_ask(struct query *query, const varve_query_request *request, uint32_t limit_ms, varve_answer *answer,
                       varve_error *error)
{
    struct reader *reader = NULL;
    varve_buf rows = { 0 };
    char cursor[REQUEST_CURSOR_BYTES] = "";
    struct page page;
    *answer = (varve_answer){ 0 };
    varve_status status = read_request(query, request, &page, error);
    if (status == VARVE_OK) {
        status = take_reader(query, limit_ms, &reader, &answer->position, error);
    }
    if (status < 0) {
        goto done;
    }
    ASSERT(reader != NULL);
    status = read_rows(query, reader->question, &page, &rows, &answer->row_count, error);
    give_back(query, reader);
    if (status < 0) {
        status = translate(query, limit_ms, status, error);
        goto done;
    }
    size_t end = rows.len;
    if (page.more) {
        request_write_cursor(query->file, request, page.offset + page.limit, cursor);
        varve_buf_str(&rows, varve_str_of(cursor));
    }
    if (rows.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory for the answer");
        goto done;
    }
    answer->rows = (varve_str){ rows.ptr, end };
    answer->next = (varve_str){ rows.ptr + end, rows.len - end };
    answer->memory = rows.ptr;
    rows = (varve_buf){ 0 };
done:
    if (status < 0) {
        varve_answer_fini(answer);
    }
    varve_buf_fini(&rows);
    free(page.values);
    return status;
}
