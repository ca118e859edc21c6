/* SPDX-License-Identifier: Apache-2.0 */
#include "query/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/access.h"

enum { IDLE_MAX = 16 };

static varve_status find_serving(struct reader *reader, size_t i, uint64_t *number, varve_error *error)
{
    const struct place *place = &reader->home->place;
    return place->kind->serving(place, reader->session, &reader->lookup, reader->file->reads[i], number, error);
}

static varve_status prepare_hold(struct reader *reader, const char *name, varve_error *error)
{
    const struct place *place = &reader->home->place;
    varve_buf text = { 0 };
    if (place->kind->hold == NULL || reader->hold != NULL) {
        return VARVE_OK;
    }
    place->kind->hold(name, &text);
    varve_status status =
        text.failed ? varve_error_set(error, VARVE_NOMEM, "no memory to open a read model")
                    : place->sql->prepare(&reader->hold, reader->session, varve_buf_view(&text), SQL_OURS, error);
    varve_buf_fini(&text);
    return status;
}

/* An inline model is where the log is, and stands where the log does. */
static varve_status attach_log(struct reader *reader, size_t i, const char *name, varve_error *error)
{
    const struct place *place = &reader->home->place;
    varve_buf text = { 0 };
    varve_status status = place->sql->attach(reader->session, place->log, name, error);
    if (status == VARVE_OK) {
        status = prepare_hold(reader, name, error);
    }
    varve_buf_printf(&text, "SELECT coalesce(max(position), 0) FROM \"%s\".events", name);
    if (status == VARVE_OK && text.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "no memory to open a read model");
    }
    if (status == VARVE_OK) {
        reader->attached = i + 1;
        status = place->sql->prepare(&reader->checkpoints[i], reader->session, varve_buf_view(&text), SQL_OURS, error);
    }
    varve_buf_fini(&text);
    return status;
}

static varve_status attach(struct reader *reader, size_t i, varve_error *error)
{
    const struct place *place = &reader->home->place;
    char name[128];
    varve_buf location = { 0 };
    varve_str model = reader->file->reads[i];
    snprintf(name, sizeof name, "%.*s", (int)model.len, model.ptr);
    if (reader->file->reads_inline[i]) {
        return attach_log(reader, i, name, error);
    }
    if (find_serving(reader, i, &reader->numbers[i], NULL) < 0 || reader->numbers[i] == 0) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "projection %s has no read model yet", name);
    }
    place->kind->locate(place, model, reader->numbers[i], &location);
    varve_status status = location.failed ? varve_error_set(error, VARVE_NOMEM, "no memory to open a read model")
                                          : place->sql->attach(reader->session, location.ptr, name, error);
    if (status == VARVE_OK) {
        reader->attached = i + 1;
        status = checkpoint_prepare(&reader->checkpoints[i], place->sql, reader->session, name, error);
    }
    varve_buf_fini(&location);
    return status;
}

static varve_status open_session(struct reader *reader, varve_error *error)
{
    const struct place *place = &reader->home->place;
    varve_buf location = { 0 };
    place->kind->locate_reader(place, &location);
    varve_status status = location.failed ? varve_error_set(error, VARVE_NOMEM, "no memory to ask a query")
                                          : place->sql->open(&reader->session, location.ptr, SQL_READ_ONLY, error);
    varve_buf_fini(&location);
    return status;
}

varve_status reader_open(struct reader **out, const struct reader_home *home, const struct sqlfile *file,
                         varve_str text, varve_error *error)
{
    varve_error refusal = { 0 };
    *out = NULL;
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory to ask a query");
    }
    reader->home = home;
    reader->file = file;
    pthread_mutex_lock(&home->pool->lock);
    reader->forgotten = home->pool->forgotten;
    pthread_mutex_unlock(&home->pool->lock);
    varve_status status = open_session(reader, error);
    for (size_t i = 0; status == VARVE_OK && i < file->read_count; i++) {
        status = attach(reader, i, error);
    }
    if (status == VARVE_OK) {
        status = home->place.sql->prepare(&reader->question, reader->session, text, SQL_QUESTION, &refusal);
        if (status == VARVE_INVALID) {
            /* It was checked against the models as they are declared, so what serves is something else. */
            status = varve_error_set(error, VARVE_UNAVAILABLE, "query %.*s does not fit the models that serve now: %s",
                                     (int)file->name.len, file->name.ptr, refusal.message);
        } else if (status < 0 && error != NULL) {
            *error = refusal;
        }
    }
    if (status < 0) {
        /* What has gone while it was being attached belongs to a generation that serves no more. */
        if (reader->attached > 0 && !reader_is_current(reader)) {
            status = VARVE_NOT_FOUND;
        }
        reader_close(reader);
        reader = NULL;
    }
    *out = reader;
    return status;
}

void reader_close(struct reader *reader)
{
    if (reader != NULL) {
        const struct sql_driver *sql = reader->home->place.sql;
        for (size_t i = 0; i < SQLFILE_READS_MAX; i++) {
            sql->finalize(reader->checkpoints[i]);
        }
        for (size_t i = 0; i < READER_PARTS_MAX; i++) {
            sql->finalize(reader->parts[i].statement);
            free(reader->parts[i].text);
        }
        sql->finalize(reader->hold);
        sql->finalize(reader->question);
        sql->finalize(reader->lookup);
        sql->close(reader->session);
        free(reader);
    }
}

/* ---- idle readers ---- */

void reader_pool_init(struct reader_pool *pool)
{
    *pool = (struct reader_pool){ 0 };
    pthread_mutex_init(&pool->lock, NULL);
}

void reader_pool_fini(struct reader_pool *pool)
{
    pthread_mutex_destroy(&pool->lock);
}

struct reader *reader_pool_take(struct reader_pool *pool, const struct sqlfile *file)
{
    pthread_mutex_lock(&pool->lock);
    struct reader **at = &pool->idle;
    while (*at != NULL && (*at)->file != file) {
        at = &(*at)->next;
    }
    struct reader *reader = *at;
    if (reader != NULL) {
        *at = reader->next;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->lock);
    return reader;
}

void reader_pool_give(struct reader_pool *pool, struct reader *reader)
{
    pthread_mutex_lock(&pool->lock);
    if (reader->forgotten == pool->forgotten) {
        reader->next = pool->idle;
        pool->idle = reader;
        reader = NULL;
        if (++pool->count > IDLE_MAX) {
            struct reader **at = &pool->idle;
            while ((*at)->next != NULL) {
                at = &(*at)->next;
            }
            reader = *at;
            *at = NULL;
            pool->count--;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    reader_close(reader);
}

void reader_pool_forget(struct reader_pool *pool, const struct sqlfile *file)
{
    struct reader *dropped = NULL;
    pthread_mutex_lock(&pool->lock);
    pool->forgotten++; /* what other queries have in use is opened again too: switches are rare */
    for (struct reader **at = &pool->idle; *at != NULL;) {
        struct reader *reader = *at;
        if (reader->file == file) {
            *at = reader->next;
            reader->next = dropped;
            dropped = reader;
            pool->count--;
        } else {
            reader->forgotten = pool->forgotten;
            at = &reader->next;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    while (dropped != NULL) {
        struct reader *reader = dropped;
        dropped = reader->next;
        reader_close(reader);
    }
}

/* ---- what it reads ---- */

bool reader_is_current(struct reader *reader)
{
    bool current = true;
    for (size_t i = 0; current && i < reader->attached; i++) {
        uint64_t number = 0;
        if (reader->file->reads_inline[i]) {
            continue;
        }
        current = find_serving(reader, i, &number, NULL) == VARVE_OK && number == reader->numbers[i];
    }
    return current;
}

varve_status reader_position(struct reader *reader, size_t i, uint64_t *position, varve_error *error)
{
    const struct sql_driver *sql = reader->home->place.sql;
    char incarnation[VARVE_UUID_TEXT_BYTES];
    struct checkpoint checkpoint;
    struct sql_value head = { 0 };
    varve_status status = VARVE_OK;
    if (!reader->file->reads_inline[i]) {
        varve_store_incarnation(reader->home->store, incarnation);
        status = checkpoint_read(reader->checkpoints[i], sql, incarnation, &checkpoint, error);
        *position = status == VARVE_OK && checkpoint.ours ? checkpoint.position : 0;
        return status;
    }
    status = sql->step(reader->checkpoints[i], error);
    if (status == VARVE_OK) {
        sql->column(reader->checkpoints[i], 0, &head);
    }
    *position = (uint64_t)head.integer;
    sql->reset(reader->checkpoints[i]);
    return status;
}

varve_status reader_begin(struct reader *reader, uint32_t limit_ms, uint64_t *position, varve_error *error)
{
    const struct sql_driver *sql = reader->home->place.sql;
    *position = UINT64_MAX;
    reader->limit_ms = limit_ms;
    reader->deadline_ns = clock_ns() + limit_ms * UINT64_C(1000000);
    sql->set_time_limit(reader->session, limit_ms);
    varve_status status = sql->begin(reader->session, error);
    if (status == VARVE_OK && reader->hold != NULL) {
        status = sql->step(reader->hold, error);
        sql->reset(reader->hold);
        status = status < 0 ? status : VARVE_OK;
    }
    for (size_t i = 0; status == VARVE_OK && i < reader->file->read_count; i++) {
        uint64_t at = 0;
        status = reader_position(reader, i, &at, error);
        *position = at < *position ? at : *position;
    }
    if (status < 0) {
        reader_end(reader); /* nothing can be asked in a transaction that failed */
    }
    /* The snapshot stands now; see the head of reader.h. */
    if (!reader_is_current(reader)) {
        status = VARVE_DONE;
    }
    if (status != VARVE_OK) {
        reader_end(reader);
    }
    return status;
}

void reader_end(struct reader *reader)
{
    reader->home->place.sql->rollback(reader->session);
    reader->home->place.sql->set_time_limit(reader->session, 0);
}

/* A database may count the time of each statement anew. In whole seconds, since telling it costs a round trip. */
static varve_status limit_rest(struct reader *reader, varve_error *error)
{
    uint64_t now = clock_ns();
    if (now >= reader->deadline_ns) {
        return varve_error_set(error, VARVE_TIMEOUT, "the time is over");
    }
    uint64_t left_ms = ((reader->deadline_ns - now) / UINT64_C(1000000000) + 1) * 1000;
    reader->home->place.sql->set_time_limit(reader->session,
                                            left_ms < reader->limit_ms ? (uint32_t)left_ms : reader->limit_ms);
    return VARVE_OK;
}

varve_status reader_prepare(struct reader *reader, varve_str text, struct sql_statement **statement, varve_error *error)
{
    const struct sql_driver *sql = reader->home->place.sql;
    varve_status status = limit_rest(reader, error);
    if (status < 0) {
        return status;
    }
    for (size_t i = 0; i < READER_PARTS_MAX; i++) {
        if (reader->parts[i].text != NULL && varve_str_is(text, reader->parts[i].text)) {
            *statement = reader->parts[i].statement;
            return VARVE_OK;
        }
    }
    struct reader_part *part = &reader->parts[reader->part_count++ % READER_PARTS_MAX];
    sql->finalize(part->statement);
    free(part->text);
    *part = (struct reader_part){ .text = strndup(text.ptr, text.len) };
    status = part->text == NULL ? varve_error_set(error, VARVE_NOMEM, "no memory to ask a query")
                                : sql->prepare(&part->statement, reader->session, text, SQL_QUESTION, error);
    if (status < 0) {
        free(part->text);
        *part = (struct reader_part){ 0 };
    }
    *statement = part->statement;
    return status;
}
