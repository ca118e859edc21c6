/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's side: a batch of appends in one transaction, and checkpoints between transactions. */
#include <limits.h>

#include "event/codec.h"
#include "store/sqlite/match.h"
#include "store/sqlite/record.h"
#include "store/sqlite/upkeep.h"

enum { GROWN_WAL = 4, RESTART_WAIT_MS = 50 };

static const char *const statements[W_STATEMENTS] = {
    [W_BEGIN] = "BEGIN IMMEDIATE",
    [W_COMMIT] = "COMMIT",
    [W_ROLLBACK] = "ROLLBACK",
    [W_FIND_STREAM] = "SELECT id FROM streams WHERE name = ?1",
    [W_ADD_STREAM] = "INSERT INTO streams (name) VALUES (?1)",
    [W_STREAM_VERSION] = "SELECT version FROM events WHERE stream = ?1 ORDER BY version DESC LIMIT 1",
    [W_FIND_TYPE] = "SELECT id FROM types WHERE name = ?1",
    [W_ADD_TYPE] = "INSERT INTO types (name) VALUES (?1)",
    [W_FIND_EVENT] = "SELECT e.position, e.version, e.recorded_at, s.name FROM events e "
                     "JOIN streams s ON s.id = e.stream WHERE e.id = ?1",
    [W_ADD_EVENT] = "INSERT INTO events (position, stream, version, id, type, content_type, schema_version, "
                    "correlation_id, tags, recorded_at, occurred_at, data, metadata, crc) "
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [W_ADD_TAG] = "INSERT OR IGNORE INTO event_tags (tag, position) VALUES (?1, ?2)",
    [W_SEEK_TAG] = SEEK_TAG,
    [W_TYPE_AT] = TYPE_AT,
    [W_TYPES_AFTER] = TYPES_AFTER,
    [W_FIND_RECORD] = "SELECT revision, coalesce(expires_at, 0) FROM records WHERE space = ?1 AND key = ?2",
    [W_PUT_RECORD] = "INSERT OR REPLACE INTO records (space, key, value, revision, expires_at, crc) "
                     "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [W_DROP_RECORD] = "DELETE FROM records WHERE space = ?1 AND key = ?2",
    [W_DROP_EXPIRED] = "DELETE FROM records WHERE (space, key) IN "
                       "(SELECT space, key FROM records WHERE expires_at <= ?1 LIMIT 100)",
    [W_ADD_SNAPSHOT] = "INSERT OR REPLACE INTO snapshots (stream, version, state_version, state, crc) "
                       "VALUES (?1, ?2, ?3, ?4, ?5)",
    [W_LIST_SNAPSHOTS] = "SELECT version, state_version FROM snapshots WHERE stream = ?1 ORDER BY version DESC",
    [W_DROP_SNAPSHOT] = "DELETE FROM snapshots WHERE stream = ?1 AND version = ?2",
};

static int count_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct store_log *log = ctx;
    (void)db;
    (void)name;
    log->wal_pages = pages;
    return SQLITE_OK;
}

varve_status sqlite_prepare_writer(struct store_log *log, varve_error *error)
{
    for (size_t i = 0; i < W_STATEMENTS; i++)
        if (sqlite3_prepare_v3(log->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &log->statements[i], NULL) !=
            SQLITE_OK)
            return sqlite_failed(log->db, "preparing to write", error);
    sqlite3_wal_hook(log->db, count_pages, log);
    return VARVE_OK;
}

void sqlite_finish_writer(struct store_log *log)
{
    for (size_t i = 0; i < W_STATEMENTS; i++) sqlite3_finalize(log->statements[i]);
}

varve_status sqlite_run(struct store_log *log, enum writer_statement which, const char *doing, varve_error *error)
{
    sqlite3_stmt *statement = log->statements[which];
    int code = sqlite3_step(statement);
    varve_status status = code == SQLITE_DONE ? VARVE_OK : sqlite_failed(log->db, doing, error);
    sqlite3_reset(statement);
    return status;
}

/* ---- names and versions ---- */

/* Looks a name up, and adds it when asked to; `id` 0 when it is not there. */
static varve_status number_of(struct store_log *log, enum writer_statement find, enum writer_statement add,
                              varve_str name, bool may_add, int64_t *id, varve_error *error)
{
    sqlite3_stmt *statement = log->statements[find];
    sqlite_bind_str(statement, 1, name);
    int code = sqlite3_step(statement);
    *id = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    varve_status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? VARVE_OK : sqlite_failed(log->db, "looking a name up", error);
    sqlite3_reset(statement);
    if (status < 0 || *id != 0 || !may_add) return status;

    sqlite_bind_str(log->statements[add], 1, name);
    status = sqlite_run(log, add, "adding a name", error);
    *id = sqlite3_last_insert_rowid(log->db);
    return status;
}

varve_status sqlite_look_up_stream(struct store_log *log, varve_str name, struct id_entry *found, varve_error *error)
{
    struct id_entry *cached = ids_get(&log->streams, name);
    if (cached != NULL) {
        *found = *cached;
        return VARVE_OK;
    }
    *found = (struct id_entry){ 0 };
    varve_status status = number_of(log, W_FIND_STREAM, W_ADD_STREAM, name, false, &found->id, error);
    if (status < 0 || found->id == 0) return status;

    sqlite3_stmt *statement = log->statements[W_STREAM_VERSION];
    sqlite3_bind_int64(statement, 1, found->id);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) found->version = (uint64_t)sqlite3_column_int64(statement, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE) status = sqlite_failed(log->db, "reading a stream's version", error);
    sqlite3_reset(statement);
    if (status >= 0) (void)ids_put(&log->streams, name, found->id, found->version);
    return status;
}

static varve_status type_id(struct store_log *log, varve_str name, int64_t *id, varve_error *error)
{
    struct id_entry *cached = ids_get(&log->types, name);
    if (cached != NULL) {
        *id = cached->id;
        return VARVE_OK;
    }
    varve_status status = number_of(log, W_FIND_TYPE, W_ADD_TYPE, name, true, id, error);
    if (status >= 0) (void)ids_put(&log->types, name, *id, 0);
    return status;
}

/* ---- repeats ---- */

/* Looks for one event by id; `position` 0 when it is not there. */
static varve_status find_event(struct store_log *log, struct store_append *append, size_t i, uint64_t *position,
                               varve_error *error)
{
    sqlite3_stmt *statement = log->statements[W_FIND_EVENT];
    varve_status status = VARVE_OK;
    sqlite3_bind_blob(statement, 1, append->events[i].id.bytes, 16, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    *position = 0;
    if (code == SQLITE_ROW) {
        varve_stream_version *stream = &append->streams[append->event_stream[i]];
        varve_str name = { (const char *)sqlite3_column_text(statement, 3),
                           (size_t)sqlite3_column_bytes(statement, 3) };
        *position = (uint64_t)sqlite3_column_int64(statement, 0);
        append->recorded_at = sqlite3_column_int64(statement, 2);
        stream->version = (uint64_t)sqlite3_column_int64(statement, 1);
        if (!varve_str_eq(name, stream->stream)) append->status = VARVE_ID_CONFLICT;
    } else if (code != SQLITE_DONE) {
        status = sqlite_failed(log->db, "looking for an event id", error);
    }
    sqlite3_reset(statement);
    return status;
}

/* Sets the append's status to REPEATED or ID_CONFLICT when its ids are there already. */
static varve_status check_repeat(struct store_log *log, struct store_append *append, varve_error *error)
{
    uint64_t first = 0;
    for (size_t i = 0; i < append->event_count; i++) {
        uint64_t position;
        varve_status status = find_event(log, append, i, &position, error);
        if (status < 0) return status;
        if (i == 0) first = position;
        if (i == 0 && position == 0) continue;
        if (first != 0 && position == first + i) continue;
        if (first == 0 && position == 0) continue;
        append->status = VARVE_ID_CONFLICT;
    }
    if (append->status == VARVE_ID_CONFLICT) {
        varve_error_set(&append->error, VARVE_ID_CONFLICT,
                        "an event id of this append was used before, in another append or for another stream");
    } else if (first != 0) {
        append->status = VARVE_REPEATED;
        append->first_position = first;
        append->last_position = first + append->event_count - 1;
    }
    return VARVE_OK;
}

static varve_status check_absent(struct store_log *log, struct store_append *append, varve_error *error)
{
    sqlite3_stmt *statement = log->statements[W_FIND_EVENT];
    varve_status status = VARVE_OK;
    sqlite3_bind_blob(statement, 1, append->absent_id->bytes, 16, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        append_refuse_known(append);
    else if (code != SQLITE_DONE)
        status = sqlite_failed(log->db, "looking for an event id", error);
    sqlite3_reset(statement);
    return status;
}

/* ---- conditions ---- */

static varve_status check_conditions(struct store_log *log, struct store_append *append, varve_error *error)
{
    const struct matcher matcher = {
        .db = log->db,
        .seek_tag = log->statements[W_SEEK_TAG],
        .type_at = log->statements[W_TYPE_AT],
        .types_after = log->statements[W_TYPES_AFTER],
    };
    for (size_t i = 0; i < append->condition_count; i++) {
        const varve_condition *condition = &append->conditions[i];
        uint64_t version = 0, position = 0;
        bool holds;
        if (condition->kind == VARVE_FAIL_IF_MATCH) {
            struct match match = { &matcher, condition->items, condition->item_count, { { 0 } } };
            varve_status status = match_next(&match, condition->after, log->head.position, &position, error);
            if (status < 0) return status;
            holds = position == 0;
        } else {
            version = append->streams[append->condition_stream[i]].version;
            holds = condition_holds(condition, version);
        }
        if (!holds) append_note_failed(append, i, version, position);
    }
    append_settle_conditions(append);
    return VARVE_OK;
}

/* ---- records ---- */

static varve_status check_writes(struct store_log *log, struct store_append *append, varve_time now, varve_error *error)
{
    for (size_t i = 0; i < append->write_count; i++) {
        bool as_expected = false;
        varve_status status = sqlite_check_write(log, &append->writes[i], now, &as_expected, error);
        if (status < 0) return status;
        if (as_expected) continue;
        append_refuse_write(append, i);
        break;
    }
    return VARVE_OK;
}

static varve_status apply_writes(struct store_log *log, const struct store_append *append, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < append->write_count && status >= 0; i++)
        if (!append->writes[i].only_check) status = sqlite_apply_write(log, &append->writes[i], error);
    return status;
}

/* ---- events ---- */

static varve_status add_tags(struct store_log *log, const varve_event *event, varve_error *error)
{
    for (size_t i = 0; i < event->tag_count; i++) {
        sqlite_bind_str(log->statements[W_ADD_TAG], 1, event->tags[i]);
        sqlite3_bind_int64(log->statements[W_ADD_TAG], 2, (int64_t)event->position);
        varve_status status = sqlite_run(log, W_ADD_TAG, "writing a tag", error);
        if (status < 0) return status;
    }
    return VARVE_OK;
}

static varve_status bind_tags(struct store_log *log, sqlite3_stmt *statement, int index, const varve_event *event,
                              varve_error *error)
{
    if (event->tag_count == 0) {
        sqlite3_bind_null(statement, index);
        return VARVE_OK;
    }
    varve_buf_reset(&log->scratch);
    event_tags_write(event->tags, event->tag_count, &log->scratch);
    if (log->scratch.failed) return varve_error_set(error, VARVE_NOMEM, "no memory for an event's tags");
    sqlite3_bind_blob(statement, index, log->scratch.ptr, (int)log->scratch.len, SQLITE_STATIC);
    return VARVE_OK;
}

/* SQLite copies it where it stands in the scratch memory, which the tags get next. */
static varve_status bind_correlation(struct store_log *log, sqlite3_stmt *statement, int index,
                                     const varve_event *event, varve_error *error)
{
    varve_str id;
    varve_buf_reset(&log->scratch);
    if (!event_correlation(event->metadata, &log->scratch, &id))
        return varve_error_set(error, VARVE_NOMEM, "no memory for an event's correlation_id");
    int code = id.len == 0 ? sqlite3_bind_null(statement, index)
                           : sqlite3_bind_text(statement, index, id.ptr, (int)id.len,
                                               id.ptr == log->scratch.ptr ? SQLITE_TRANSIENT : SQLITE_STATIC);
    return code == SQLITE_OK ? VARVE_OK : sqlite_failed(log->db, "writing an event", error);
}

static varve_status add_event(struct store_log *log, const varve_event *event, int64_t stream, varve_error *error)
{
    sqlite3_stmt *statement = log->statements[W_ADD_EVENT];
    bool is_json = event_is_json(event);
    int64_t type = 0;
    varve_status status = type_id(log, event->type, &type, error);
    if (status >= 0) status = bind_correlation(log, statement, 8, event, error);
    if (status >= 0) status = bind_tags(log, statement, 9, event, error);
    if (status < 0) return status;

    sqlite3_bind_int64(statement, 1, (int64_t)event->position);
    sqlite3_bind_int64(statement, 2, stream);
    sqlite3_bind_int64(statement, 3, (int64_t)event->version);
    sqlite3_bind_blob(statement, 4, event->id.bytes, 16, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, type);
    if (varve_str_is(event->content_type, "application/json"))
        sqlite3_bind_null(statement, 6);
    else
        sqlite_bind_str(statement, 6, event->content_type);
    sqlite3_bind_int64(statement, 7, event->schema_version);
    sqlite3_bind_int64(statement, 10, event->recorded_at);
    sqlite3_bind_int64(statement, 11, event->occurred_at);
    if (is_json)
        sqlite_bind_str(statement, 12, event->data);
    else
        sqlite3_bind_blob(statement, 12, event->data.len == 0 ? "" : event->data.ptr, (int)event->data.len,
                          SQLITE_STATIC);
    sqlite_bind_str(statement, 13, event->metadata);
    sqlite3_bind_int64(statement, 14, event_checksum(event));
    status = sqlite_run(log, W_ADD_EVENT, "writing an event", error);
    return status < 0 ? status : add_tags(log, event, error);
}

varve_status sqlite_put_event(struct store_log *log, const varve_event *event, varve_error *error)
{
    int64_t stream = 0;
    varve_status status = VARVE_OK;
    struct id_entry *cached = ids_get(&log->streams, event->stream);
    if (cached != NULL)
        stream = cached->id;
    else
        status = number_of(log, W_FIND_STREAM, W_ADD_STREAM, event->stream, true, &stream, error);
    if (status >= 0) status = add_event(log, event, stream, error);
    if (status < 0) return status;
    if (cached != NULL)
        cached->version = event->version;
    else
        (void)ids_put(&log->streams, event->stream, stream, event->version);
    log->head = (struct store_head){ .position = event->position, .recorded_at = event->recorded_at };
    return VARVE_OK;
}

static bool concerns_inline(const struct store_log *log, const varve_event *event)
{
    return log->inlined != NULL && log->inlined->concerns(log->inlined->ctx, event->type);
}

static varve_status add_events(struct store_log *log, struct store_append *append, varve_time now, varve_error *error)
{
    if (append->event_count == 0) return VARVE_OK;
    append->first_position = log->head.position + 1;
    append->recorded_at = now > log->head.recorded_at ? now : log->head.recorded_at;
    for (size_t i = 0; i < append->event_count; i++) {
        varve_stream_version *stream = &append->streams[append->event_stream[i]];
        varve_event event = append->events[i];
        event.position = log->head.position + 1;
        event.version = ++stream->version;
        event.recorded_at = append->recorded_at;
        if (event.occurred_at == 0) event.occurred_at = append->recorded_at;
        varve_status status = sqlite_put_event(log, &event, error);
        if (status >= 0 && concerns_inline(log, &event)) status = log->inlined->apply(log->inlined->ctx, &event, error);
        if (status < 0) return status;
    }
    append->last_position = log->head.position;
    return VARVE_OK;
}

/* Checks one append and writes it when nothing stands against it. A failure is the whole batch's. */
static varve_status apply(struct store_log *log, struct store_append *append, varve_time now, varve_error *error)
{
    append->status = VARVE_OK;
    append->error = (varve_error){ 0 };
    append->failed_count = append->failed_write = 0;
    varve_status status = VARVE_OK;
    if (append->absent_id != NULL)
        status = check_absent(log, append, error);
    else if (!append->ids_are_new)
        status = check_repeat(log, append, error);
    if (status < 0 || append->status != VARVE_OK) return status;
    if (append->after != NULL && append->after->status != VARVE_OK) {
        append_refuse_behind(append);
        return VARVE_OK;
    }
    status = check_writes(log, append, now, error);
    if (status < 0 || append->status != VARVE_OK) return status;
    for (size_t i = 0; i < append->stream_count; i++) {
        struct id_entry stream;
        status = sqlite_look_up_stream(log, append->streams[i].stream, &stream, error);
        if (status < 0) return status;
        append->streams[i].version = stream.version;
    }
    status = check_conditions(log, append, error);
    if (status < 0 || append->status < 0) return status;
    status = add_events(log, append, now, error);
    return status < 0 ? status : apply_writes(log, append, error);
}

static varve_status add_snapshot(struct store_log *log, const struct store_snapshot *snapshot, varve_error *error)
{
    struct id_entry stream;
    varve_status status = sqlite_look_up_stream(log, snapshot->stream, &stream, error);
    return status < 0 || stream.id == 0 ? status : sqlite_add_snapshot(log, stream.id, snapshot, error);
}

/* ---- the transaction ---- */

void sqlite_roll_back(struct store_log *log, struct store_head head)
{
    if (log->inlined != NULL) log->inlined->undone(log->inlined->ctx);
    if (sqlite3_get_autocommit(log->db) == 0) {
        sqlite3_step(log->statements[W_ROLLBACK]);
        sqlite3_reset(log->statements[W_ROLLBACK]);
    }
    ids_forget(&log->streams);
    ids_forget(&log->types);
    log->head = head;
}

/*
 * Whether writing may go on after a failure, and whether it is known what became of the transaction.
 * After an I/O error or damage anything may be left behind; the kernel may have dropped pages that it
 * could not write, so trying again would prove nothing. Memory can run out after the commit was
 * written, when SQLite extends its index of the write-ahead log: it is undone here and the next
 * transaction overwrites it, but a process that is killed before would find it there.
 */
static varve_status judge(varve_status status, int code, bool committing, varve_error *error)
{
    /* A statement that failed in another way was rolled back, and only its append is to blame. */
    bool hard = code == SQLITE_IOERR || code == SQLITE_PROTOCOL || code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    if (hard && status != VARVE_NOMEM) error->flags |= VARVE_ERROR_FATAL;
    if (!committing || (status != VARVE_IO && status != VARVE_NOMEM)) return status;
    error->status = VARVE_INDETERMINATE;
    error->flags |= VARVE_ERROR_UNKNOWN_OUTCOME;
    return VARVE_INDETERMINATE;
}

varve_status sqlite_commit(struct store_log *log, struct store_batch *batch, struct store_head *head,
                           varve_error *error)
{
    struct store_head before = log->head;
    varve_time now = varve_time_now();
    bool committing = false;
    varve_status status = sqlite_run(log, W_BEGIN, "beginning a transaction", error);
    for (size_t i = 0; i < batch->append_count && status >= 0; i++) status = apply(log, batch->appends[i], now, error);
    for (size_t i = 0; i < batch->snapshot_count && status >= 0; i++)
        status = add_snapshot(log, &batch->snapshots[i], error);
    if (status >= 0 && log->inlined != NULL) status = log->inlined->seal(log->inlined->ctx, error);
    if (status >= 0 && now >= log->expiry_due) status = sqlite_drop_expired(log, now, error);
    if (status >= 0) {
        committing = true;
        status = sqlite_run(log, W_COMMIT, "committing", error);
    }
    if (status < 0) {
        int code = sqlite3_errcode(log->db) & 0xff;
        sqlite_roll_back(log, before);
        return judge(status, code, committing, error);
    }
    *head = log->head;
    return VARVE_OK;
}

/* ---- what changes along with appends ---- */

static void end_inline(struct store_log *log)
{
    if (log->inlined == NULL) return;
    log->inlined->close(log->inlined->ctx);
    log->inlined->sql->close(log->inline_session);
    log->inlined = NULL;
    log->inline_session = NULL;
}

varve_status sqlite_set_inline(struct store_log *log, const struct store_inline *inlined, varve_error *error)
{
    end_inline(log);
    if (inlined == NULL) return VARVE_OK;
    varve_status status = inlined->sql->borrow(&log->inline_session, log->db, schema_names, error);
    if (status < 0) return status;
    log->inlined = inlined;
    status = inlined->open(inlined->ctx, log->inline_session, error);
    if (status < 0) end_inline(log);
    return status;
}

varve_status sqlite_change(struct store_log *log, store_change change, void *ctx, varve_error *error)
{
    struct store_head head = log->head;
    bool committing = false;
    varve_error cause = { 0 };
    varve_status status = sqlite_run(log, W_BEGIN, "beginning a transaction", &cause);
    if (status >= 0) status = change(ctx, log->inline_session, head.position, &cause);
    if (status >= 0) {
        committing = true;
        status = sqlite_run(log, W_COMMIT, "committing", &cause);
    }
    if (status >= 0) return VARVE_OK;
    int code = sqlite3_errcode(log->db) & 0xff;
    sqlite_roll_back(log, head);
    status = judge(status, code, committing, &cause);
    if (error != NULL) *error = cause;
    return status;
}

void sqlite_tend(struct store_log *log)
{
    /* The log file starts over once it was copied and nobody reads it; until then copy only what is new. */
    if (log->wal_pages < log->wal_pages_tended) log->wal_pages_tended = 0;
    if (log->wal_pages - log->wal_pages_tended < log->checkpoint_pages) return;

    /* Beside readers that overlap there is never a moment without one. When the file has grown to a few times its
     * size, wait a little for those that hold it: they give it back after a page, and who comes later reads past it. */
    bool grown = log->wal_pages >= GROWN_WAL * log->checkpoint_pages;
    if (grown) sqlite3_busy_timeout(log->db, RESTART_WAIT_MS);
    int code = sqlite3_wal_checkpoint_v2(log->db, NULL, grown ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
                                         NULL, NULL);
    if (grown) sqlite3_busy_timeout(log->db, BUSY_TIMEOUT_MS);
    log->wal_pages_tended = log->wal_pages;
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        log_line(&log->diagnostics, VARVE_LOG_WARNING, "checkpoint of %s: %s", log->path, sqlite3_errmsg(log->db));
}
