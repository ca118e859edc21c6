/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's side. A batch is looked up (questions.c), decided (batch.c) and written:
 *
 *   usually     write  the order lock, "nobody appended since, and it is as it was presumed", the events: one round
 *                      trip and a transaction, so the lock is held for the work and the flush alone
 *   by looks    look   records, queries and what else cannot be presumed, at one moment and without a lock
 *               write  as above
 *   contended   write  the order lock, "it is as it was presumed", the events, behind whatever head there is
 *   and by      look   BEGIN, the order lock, everything
 *   looks       write  the events, COMMIT
 *
 * A stream that is not remembered is presumed to be where the append expects it, or its version is not needed and told
 * by the write; ids are presumed to be new. When an id is not, nothing was written, and the second way follows; the
 * last, when a version is another, or somebody did append since. As long as other processes keep appending nothing is
 * remembered, and the third way comes first, the last where something cannot be presumed. After a wrong presumption
 * nothing is presumed for a while. What is refused is refused by what the
 * database says: when nothing is left to write, memory alone does not do. A connection that is lost leaves open what
 * became of a transaction that was written: the batch is sent again, and the ids tell. What was found to be there
 * already may not be safe yet (its own commit may still wait for a standby, or gave up waiting), so that a repeat is a
 * commit as well.
 */
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "store/postgres/inline.h"
#include "store/postgres/listen.h"
#include "store/postgres/questions.h"
#include "store/postgres/rows.h"
#include "store/postgres/upkeep.h"

enum {
    RESEND_MS = 30000, /* how long a batch of unknown outcome is sent again */
    FIRST_PAUSE_MS = 20,
    LONGEST_PAUSE_MS = 1000,
    DOUBTFUL_BATCHES = 64,  /* that presume nothing after one that did so wrongly */
    CONTENDED_BATCHES = 16, /* that expect others to append, after one before which they did */
    SENT_BYTES = 96 << 10,  /* that a socket takes, whatever kind it is */
    EVENT_BYTES = 128,      /* of an event, besides what it holds */
};

/* What is said of the head that a batch is written behind. */
enum way {
    WAY_ASSERT, /* nobody appended since it was seen */
    WAY_FLOAT,  /* nothing: the write finds it */
    WAY_LOCKED, /* it was looked up under the lock, which we hold */
};

#define EXPIRY_EVERY (10 * (varve_time)1000000)

void log_meanwhile(struct store_log *log)
{
    struct store_batch *work = log->work;
    log->work = NULL;
    if (work != NULL && work->meanwhile != NULL) work->meanwhile(work->ctx);
}

/* ---- writing ---- */

/* What the write is to find out about an event's stream: by the first event on it, unless each needs it. */
static int64_t presumed(const struct batch_event *event)
{
    const struct batch_stream *stream = event->stream;
    if (stream->knowledge == VERSION_COUNTED) return PRESUMED_COUNTED;
    bool is_first = event->version == stream->version + 1;
    return stream->knowledge == VERSION_ASSUMED && is_first ? (int64_t)stream->version : PRESUMED_NOTHING;
}

static void put_head(struct values *values, const struct batch *batch, bool is_told)
{
    if (is_told)
        values_int(values, (int64_t)batch->head.position);
    else
        values_null(values);
}

static bool send_events(struct connection *writer, const struct batch *batch, enum way way, struct rows *rows)
{
    struct values values = { 0 };
    if (batch->accepted_count == 0) return true;
    rows_begin(rows);
    for (size_t i = 0; i < batch->accepted_count; i++) {
        varve_event event = *batch->accepted[i].event;
        event.version = batch->accepted[i].version;
        rows_add(rows, &event, presumed(&batch->accepted[i]));
    }
    values_time(&values, batch->head.recorded_at);
    put_head(&values, batch, way != WAY_FLOAT);
    put_head(&values, batch, way == WAY_ASSERT);
    return rows_send(rows, writer, S_ADD_EVENTS, &values);
}

static bool send_writes(struct connection *writer, const struct batch *batch)
{
    bool sent = true;
    for (size_t i = 0; i < batch->record_count && sent; i++) {
        const struct batch_record *written = &batch->records[i];
        const struct store_record *record = &written->write->record;
        uint64_t known = batch_known_revision(batch, i);
        struct values values = { 0 };
        if (!written->decided || (written->write->remove && known == 0)) continue;
        values_text(&values, record->space);
        values_text(&values, record->key);
        if (!written->write->remove) {
            values_text(&values, record->value);
            values_int(&values, (int64_t)record->revision);
            if (record->expires_at == 0)
                values_null(&values);
            else
                values_time(&values, record->expires_at);
            values_int(&values, record_checksum(record));
        }
        if (known == 0)
            values_null(&values);
        else
            values_int(&values, (int64_t)known);
        sent = connection_send(writer, written->write->remove ? S_DROP_RECORD : S_PUT_RECORD, &values);
    }
    return sent;
}

/* Whatever was looked up without the lock is asserted under it: that nobody appended since, and that the records which
 * must not be there still are not. */
static bool send_assertions(struct connection *writer, const struct batch *batch, enum way way)
{
    struct array spaces = { 0 }, keys = { 0 };
    struct values values = { 0 };
    bool checks = false;
    array_begin(&spaces, TYPE_TEXT);
    array_begin(&keys, TYPE_TEXT);
    put_head(&values, batch, way == WAY_ASSERT);
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct store_write *write = batch->records[i].write;
        if (!batch->records[i].checked) continue;
        array_text(&spaces, write->record.space);
        array_text(&keys, write->record.key);
        checks = true;
    }
    bool sent = !checks || (values_array(&values, &spaces) && values_array(&values, &keys));
    if (checks || batch->accepted_count == 0) /* adding events asserts the head by itself */
        sent = sent && connection_send(writer, checks ? S_ASSERT_UNUSED : S_ASSERT_HEAD, &values);
    varve_buf_fini(&spaces.bytes);
    varve_buf_fini(&keys.bytes);
    return sent;
}

/* The head that they were written behind: one less than the lowest position, in whatever order they are told. */
static uint64_t found_head(const PGresult *added)
{
    uint64_t lowest = (uint64_t)result_int(added, 0, 0);
    for (int i = 1; i < PQntuples(added); i++)
        if ((uint64_t)result_int(added, i, 0) < lowest) lowest = (uint64_t)result_int(added, i, 0);
    return lowest - 1;
}

/* The events are durable: with what S_ADD_EVENTS gave, they are complete, and remembered. */
static void settle(struct store_log *log, struct batch *batch, const PGresult *added)
{
    varve_time recorded_at = result_time(added, 0, 2);
    uint64_t head = found_head(added), moved = head - batch->head.position;
    if (moved > 0) versions_forget(&log->versions); /* what others appended may be of any stream */
    for (int i = 0; i < PQntuples(added); i++) {
        const struct batch_event *event = &batch->accepted[(uint64_t)result_int(added, i, 0) - head - 1];
        uint64_t version = (uint64_t)result_int(added, i, 1);
        if (event->stream->knowledge == VERSION_COUNTED) event->stream->version = version - event->version;
        versions_put(&log->versions, event->stream->name, version);
    }
    batch_settle(batch, moved, recorded_at);
    log->head = (struct store_head){ batch->head.position + batch->accepted_count, recorded_at, log->head.history };
}

/* Whether there is more to be done with the events before they are committed. */
static bool is_inlined(const struct store_log *log, const struct batch *batch)
{
    bool any = false;
    for (size_t i = 0; i < batch->append_count && !any; i++)
        any = batch->appends[i]->status == VARVE_OK && inline_concerns(log, batch->appends[i]);
    return any;
}

/* What is applied along with events has to know where they stand before they are written. */
static enum way first_way(const struct store_log *log, const struct store_batch *work)
{
    bool any = false;
    for (size_t i = 0; i < work->append_count && !any; i++) any = inline_concerns(log, work->appends[i]);
    return any ? WAY_LOCKED : log->contended > 0 ? WAY_FLOAT : WAY_ASSERT;
}

/* Sends what was decided; false when memory is out, and then nothing of it will be done. `place` is where the answer
 * about the events stands. */
static bool send_batch(struct store_log *log, struct batch *batch, enum way way, struct rows *rows, size_t *place)
{
    struct connection *writer = log->writer;
    bool sent = true, nothing = batch->accepted_count + batch->write_count == 0;
    if (nothing)
        sent = connection_send(writer, S_WAIT_DURABLE, NULL);
    else if (way != WAY_LOCKED)
        sent = connection_send(writer, S_LOCK, NULL) && send_assertions(writer, batch, way);
    *place = writer->sent;
    sent = sent && send_events(writer, batch, way, rows) && send_writes(writer, batch);
    /* Half of it must not be committed by the round's end. */
    if (!sent && !connection_send(writer, S_ROLLBACK, NULL)) writer->broken = true;
    if (way != WAY_LOCKED || is_inlined(log, batch)) return sent;
    return sent && connection_send(writer, S_COMMIT, NULL);
}

/* Whether what is sent, or its answer, may not fit between here and the server: then the server waits for us, under the
 * lock, and what is done meanwhile has to be done before. */
static bool is_large(const struct batch *batch)
{
    size_t bytes = 0;
    for (size_t i = 0; i < batch->accepted_count; i++) {
        const varve_event *event = batch->accepted[i].event;
        bytes += event->stream.len + event->type.len + event->data.len + event->metadata.len + EVENT_BYTES;
    }
    return bytes > SENT_BYTES;
}

/* Writes what was decided and commits. But WAY_LOCKED it fails with STATE_STALE when the decision is out of date.
 * When there is nothing to write, the commit still waits for everything before it to be safe. */
static varve_status write_batch(struct store_log *log, struct batch *batch, enum way way, varve_error *error)
{
    struct connection *writer = log->writer;
    struct rows rows = { 0 };
    PGresult *results[8] = { 0 };
    size_t place = 0;
    if (is_large(batch)) log_meanwhile(log);
    bool sent = send_batch(log, batch, way, &rows, &place);
    connection_end(writer);
    log_meanwhile(log);
    varve_status status = connection_round(writer, results, place + 1, "appending", error);
    /* Without a SQLSTATE the failure is libpq's own (no memory for an answer): what the server did is not known. */
    if (status < 0 && writer->state[0] == '\0') writer->broken = true;
    if (status >= 0 && !sent) status = varve_error_set(error, VARVE_NOMEM, "no memory to write a batch");
    if (status >= 0 && is_inlined(log, batch))
        status = inline_commit(log, batch, result_time(results[place], 0, 2), error);
    if (status >= 0 && batch->accepted_count > 0) settle(log, batch, results[place]);
    results_clear(results, sizeof results / sizeof results[0]);
    rows_fini(&rows);
    return status;
}

/* ---- the transaction ---- */

void log_roll_back(struct store_log *log)
{
    if (log->writer == NULL || PQtransactionStatus(log->writer->pq) == PQTRANS_IDLE) return;
    char state[6];
    memcpy(state, log->writer->state, sizeof state);
    (void)connection_send(log->writer, S_ROLLBACK, NULL);
    (void)connection_round(log->writer, NULL, 0, "rolling back", NULL);
    memcpy(log->writer->state, state, sizeof state);
}

/* Who holds the order lock, for the message of who waited for it in vain. */
static void name_lock_holder(struct store_log *log, varve_error *error)
{
    PGresult *holder = NULL;
    (void)connection_send(log->writer, S_LOCK_HOLDER, NULL);
    if (connection_round(log->writer, &holder, 1, "looking for the order lock's holder", NULL) < 0) return;
    int64_t pid = PQntuples(holder) > 0 ? result_int(holder, 0, 0) : 0;
    PQclear(holder);
    if (pid == 0) return;
    varve_error_set(
        error, VARVE_BUSY,
        "another transaction holds the order lock for too long (server process %lld): append last, and commit "
        "soon after it",
        (long long)pid);
    if (error != NULL) error->detail = pid;
}

/* One try at the whole batch. `written`: a transaction was sent, and its outcome is open if the connection is lost. */
static varve_status try_batch(struct store_log *log, struct batch *batch, enum way way, bool *written,
                              varve_error *error)
{
    *written = log->inline_failed = false;
    log->writer->unreplicated = false;
    if (way != WAY_LOCKED && batch_recall(log, batch, way == WAY_FLOAT)) {
        batch_decide(batch);
        *written = batch_may_be_written(batch);
        if (*written) return write_batch(log, batch, way, error);
    }
    if (way == WAY_FLOAT) way = WAY_LOCKED;
    varve_status status = batch_look(log, batch, way == WAY_LOCKED ? LOOK_AND_LOCK : LOOK_ALONE, error);
    if (status < 0) return status;
    batch_decide(batch);
    if (batch->accepted_count + batch->write_count == 0 && !batch->resent && !batch_has_repeats(batch)) {
        log_roll_back(log);
        return VARVE_OK;
    }
    *written = true;
    return write_batch(log, batch, way, error);
}

static void pause_ms(uint32_t ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

/* Whether the event that stood at the end of the log is still there: a log that was rolled back may have been written
 * since, and no later event was recorded at that very microsecond. */
static varve_status still_holds(struct store_log *log, const struct store_head *known, bool *holds, varve_error *error)
{
    PGresult *row = NULL;
    struct values values = { 0 };
    *holds = true;
    if (known->position == 0) return VARVE_OK;
    values_int(&values, (int64_t)known->position);
    (void)connection_send(log->writer, S_TIME_AT, &values);
    varve_status status = connection_round(log->writer, &row, 1, "looking at the end of the log", error);
    if (status >= 0) *holds = PQntuples(row) == 1 && result_time(row, 0, 0) == known->recorded_at;
    PQclear(row);
    return status;
}

/* A new connection may lead to another server, or to one that lost its end (a restored disk, fsync off): nothing that
 * is remembered holds there. A log without the event that was its last is another history. What is lost beyond what
 * this handle knew of it cannot be noticed here: whoever restores a disk says so (`new-incarnation`). */
static varve_status begin_anew(struct store_log *log, varve_error *error)
{
    static const struct store_head nothing;
    const struct store_head before = log->head;
    bool holds = true;
    varve_status status = still_holds(log, before.history == log->writer->history ? &before : &nothing, &holds, error);
    if (status >= 0) status = log_start_over(log, error);
    if (status >= 0 && !holds) {
        log_line(&log->diagnostics, VARVE_LOG_WARNING,
                 "the event at position %" PRIu64 " is not the one that was there: the log gets a new incarnation",
                 before.position);
        status = schema_renew(log->writer, error);
        if (status >= 0) status = log_look(log, log->writer, error);
    }
    if (status >= 0)
        log->head.history = log->writer->history;
    else
        log->head = before; /* to be looked for again */
    return status;
}

static void leave(struct store_log *log)
{
    inline_leave(log);
    connection_close(log->writer);
    log->writer = NULL;
}

varve_status log_be_connected(struct store_log *log, varve_error *error)
{
    if (log->writer != NULL && (connection_is_lost(log->writer) || log_has_left(log, log->writer))) {
        leave(log);
    }
    if (log->writer != NULL) return VARVE_OK;
    log_meanwhile(log);
    varve_status status = log_connect(log, &log->writer, error);
    if (status >= 0) status = begin_anew(log, error);
    if (status < 0) { /* to be begun anew the next time too */
        leave(log);
    }
    return status;
}

/* Whether an event's id was there already; somebody's own index may have other reasons. */
static bool is_about_id(const struct connection *writer)
{
    return strcmp(writer->state, "23505") == 0 && strstr(writer->detail, "(id)=(") != NULL;
}

/* Tries until the outcome is known, or for RESEND_MS; after a connection that was silent for so long, once more. When
 * no server was found just before, one try tells, so that a store that is closed is not held up again and again. */
static varve_status commit_appends(struct store_log *log, const struct store_batch *work, struct batch *batch,
                                   bool *unknown, varve_error *error)
{
    uint64_t deadline = clock_ns() + RESEND_MS * 1000000ull;
    unsigned lost = 0;
    uint32_t pause = FIRST_PAUSE_MS;
    enum way way = first_way(log, work);
    bool was_stale = false, was_wrong = false;
    *unknown = false;
    for (;;) {
        bool written = false;
        varve_status status = log_be_connected(log, error);
        uint64_t before = log->head.position;
        if (status >= 0) status = try_batch(log, batch, way, &written, error);
        if (status >= 0) {
            bool others = batch->head.position != before;
            log->contended = others ? CONTENDED_BATCHES : log->contended > 0 ? log->contended - 1 : 0;
            if (was_wrong || (was_stale && !others)) log->versions_doubtful = DOUBTFUL_BATCHES;
            if (batch_has_repeats(batch)) log->ids_doubtful = DOUBTFUL_BATCHES; /* who repeats may go on to */
            return VARVE_OK;
        }
        if (log->writer != NULL && !connection_is_lost(log->writer)) {
            bool stale = strcmp(log->writer->state, STATE_STALE) == 0;
            bool repeat = way != WAY_LOCKED && log->ids_doubtful == 0 && is_about_id(log->writer);
            log_roll_back(log);
            was_stale = was_stale || stale;
            was_wrong = was_wrong || (stale && way == WAY_FLOAT); /* it asserts nothing but what was presumed */
            if (stale) way = WAY_LOCKED;
            if (repeat) log->ids_doubtful = DOUBTFUL_BATCHES; /* and so they are looked up */
            if (stale || repeat) continue;
            if (strcmp(log->writer->state, "55P03") == 0) name_lock_holder(log, error); /* lock_timeout */
            return status;
        }
        /* A connection to open or lost. */
        leave(log);
        *unknown = *unknown || written;
        if (status != VARVE_UNAVAILABLE || (lost++ > 0 && clock_ns() > deadline)) return status;
        if (log->unreachable && !*unknown) return status;
        if (*unknown && !batch->resent) {
            batch_fini(batch);
            status = batch_init(batch, work, true, error);
            if (status < 0) return status;
        }
        way = WAY_LOCKED;
        pause_ms(pause);
        pause = pause * 2 < LONGEST_PAUSE_MS ? pause * 2 : LONGEST_PAUSE_MS;
    }
}

static varve_status judge(const struct store_log *log, struct batch *batch, varve_status status, bool unknown,
                          varve_error *error)
{
    if (status >= 0 && log->writer != NULL && log->writer->unreplicated) {
        varve_error_set(error, VARVE_INDETERMINATE,
                        "the server gave up waiting for a synchronous standby: written, but on this server only");
        batch_doubt(batch, error);
        return VARVE_OK;
    }
    if (status < 0 && unknown)
        varve_error_set(error, VARVE_INDETERMINATE, "the connection was lost during a commit: %s", error->message);
    else if (status >= 0 || log->inline_failed || (status != VARVE_UNAVAILABLE && status != VARVE_BUSY))
        return status;
    /* Known for each append, if only that it is not known: smaller pieces would fare no better. */
    batch_refuse(batch, error);
    return VARVE_OK;
}

/* For when everybody is answered. */
static void keep_snapshots(struct store_log *log, const struct store_snapshot *snapshots, size_t count)
{
    log->snapshots = snapshots;
    log->snapshot_count = count;
}

varve_status postgres_commit(struct store_log *log, struct store_batch *work, struct store_head *head,
                             varve_error *error)
{
    struct batch batch;
    bool unknown = false;
    uint64_t history = log->head.history;
    keep_snapshots(log, NULL, 0);
    log->work = work;
    varve_error problem = { 0 };
    varve_status status = batch_init(&batch, work, false, &problem);
    if (status >= 0) {
        if (work->append_count > 0) {
            status = commit_appends(log, work, &batch, &unknown, &problem);
            log->unreachable = work->unreachable = status == VARVE_UNAVAILABLE && !log->inline_failed;
        }
        status = judge(log, &batch, status, unknown, &problem);
        batch_fini(&batch);
    }
    log->work = NULL;
    if (status < 0) {
        if (error != NULL) *error = problem;
        return status;
    }
    /* What belongs to a history that was left behind is nobody's news, and no state of this one. */
    bool left = log->writer == NULL || log_has_left(log, log->writer);
    *head = (struct store_head){ .history = log->head.history };
    if (!left) *head = log->head;
    if (log->listener != NULL && !left) listener_announce(log->listener, *head);
    if (!left && history == log->head.history) keep_snapshots(log, work->snapshots, work->snapshot_count);
    return VARVE_OK;
}

void postgres_tend(struct store_log *log)
{
    varve_error error = { 0 };
    varve_time now = varve_time_now();
    postgres_put_snapshots(log, log->snapshots, log->snapshot_count);
    keep_snapshots(log, NULL, 0);
    if (log->writer != NULL && now >= log->expiry_due && !connection_is_lost(log->writer)) {
        log->expiry_due = now + EXPIRY_EVERY;
        (void)connection_send(log->writer, S_BEGIN, NULL);
        (void)connection_send(log->writer, S_NO_WAIT, NULL);
        (void)connection_send(log->writer, S_DROP_EXPIRED, NULL);
        (void)connection_send(log->writer, S_COMMIT, NULL);
        if (connection_round(log->writer, NULL, 0, "removing records that have expired", &error) < 0) {
            log_line(&log->diagnostics, VARVE_LOG_WARNING, "%s", error.message);
            log_roll_back(log);
        }
    }
    if (log->writer != NULL && log->writer->silent) log->unreachable = true;
}
