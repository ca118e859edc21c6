/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up what a batch depends on, in one round: news, versions, ids, records, and what queries match. */
#include "store/postgres/questions.h"

#include "event/query.h"

enum {
    QUESTIONS = 14,  /* statements of a look at most, besides one for each query */
    NEWS_MAX = 5000, /* events of other processes that are caught up with; with more the versions are forgotten */
};

static bool send_names(struct connection *writer, const struct batch *batch, struct array *names)
{
    struct values values = { 0 };
    array_begin(names, TYPE_TEXT);
    for (size_t i = 0; i < batch->stream_count; i++)
        if (batch->streams[i].knowledge == VERSION_UNKNOWN) array_text(names, batch->streams[i].name);
    return values_array(&values, names) && connection_send(writer, S_VERSIONS, &values);
}

static bool send_ids(struct connection *writer, const struct batch *batch, struct array *ids)
{
    struct values values = { 0 };
    array_begin(ids, TYPE_UUID);
    for (size_t i = 0; i < batch->id_count; i++)
        array_text(ids, (varve_str){ (const char *)batch->ids[i].id->bytes, sizeof batch->ids[i].id->bytes });
    return values_array(&values, ids) && connection_send(writer, S_IDS, &values);
}

static bool send_records(struct connection *writer, const struct batch *batch, struct array *spaces, struct array *keys)
{
    struct values values = { 0 };
    array_begin(spaces, TYPE_TEXT);
    array_begin(keys, TYPE_TEXT);
    for (size_t i = 0; i < batch->record_count; i++) {
        array_text(spaces, batch->records[i].write->record.space);
        array_text(keys, batch->records[i].write->record.key);
    }
    return values_array(&values, spaces) && values_array(&values, keys) &&
           connection_send(writer, S_FIND_RECORDS, &values) && connection_send(writer, S_CLOCK, NULL);
}

static bool send_query(struct connection *writer, const struct batch_query *query, varve_buf *json)
{
    struct values values = { 0 };
    const varve_condition *condition = query->condition;
    varve_buf_reset(json);
    event_query_write_json(condition->items, condition->item_count, json);
    if (json->failed) return false;
    values_text(&values, varve_buf_view(json));
    values_int(&values, condition->after > INT64_MAX ? INT64_MAX : (int64_t)condition->after);
    return connection_send(writer, S_NEXT_MATCH, &values);
}

/* What others appended since, in the order of positions: brings the remembered versions up to date. */
static bool take_news(struct store_log *log, struct batch *batch, const PGresult *news)
{
    int count = PQntuples(news);
    if (count > NEWS_MAX) return false;
    for (int i = 0; i < count; i++) {
        varve_str name = result_text(news, i, 1);
        uint64_t version = (uint64_t)result_int(news, i, 2);
        /* The batch's streams here and now: what is put may be pushed out again before it is looked for. */
        struct batch_stream *stream = batch_find_stream(batch, name);
        if (stream != NULL) stream->version = version;
        versions_put(&log->versions, name, version);
    }
    if (count > 0)
        log->head = (struct store_head){ (uint64_t)result_int(news, count - 1, 0), result_time(news, count - 1, 3),
                                         log->head.history };
    return true;
}

/* Answers about streams that were not remembered. */
static void take_versions(struct store_log *log, struct batch *batch, const PGresult *versions)
{
    for (int i = 0; versions != NULL && i < PQntuples(versions); i++) {
        varve_str name = result_text(versions, i, 0);
        struct batch_stream *stream = batch_find_stream(batch, name);
        if (stream == NULL) continue;
        stream->version = (uint64_t)result_int(versions, i, 1);
        stream->knowledge = VERSION_KNOWN;
        versions_put(&log->versions, name, stream->version);
    }
}

static bool take_ids(struct batch *batch, const PGresult *ids)
{
    for (size_t i = 0; i < batch->id_count; i++) batch->ids[i].position = 0;
    for (int i = 0; ids != NULL && i < PQntuples(ids); i++) {
        struct batch_id *id = &batch->ids[result_int(ids, i, 0)];
        id->position = (uint64_t)result_int(ids, i, 1);
        id->version = (uint64_t)result_int(ids, i, 2);
        id->recorded_at = result_time(ids, i, 4);
        if (!arena_copy(&batch->memory, result_text(ids, i, 3), &id->stream)) return false;
    }
    return true;
}

static bool take_records(struct batch *batch, const PGresult *records, const PGresult *clock)
{
    if (records == NULL) return true;
    batch->now = result_time(clock, 0, 0);
    for (size_t i = 0; i < batch->record_count; i++) batch->records[i].known = 0;
    for (int i = 0; i < PQntuples(records); i++) {
        struct batch_record *record = &batch->records[result_int(records, i, 0)];
        record->known = (uint64_t)result_int(records, i, 1);
        record->expires_at = result_time(records, i, 2);
        if (!arena_copy(&batch->memory, result_text(records, i, 3), &record->value)) return false;
    }
    return true;
}

/* Which streams are remembered; with what was remembered, how many are not. */
static size_t recall_versions(struct store_log *log, struct batch *batch)
{
    size_t unknown = 0;
    for (size_t i = 0; i < batch->stream_count; i++) {
        struct batch_stream *stream = &batch->streams[i];
        bool known = versions_get(&log->versions, stream->name, &stream->version);
        stream->knowledge = known ? VERSION_KNOWN : VERSION_UNKNOWN;
        unknown += !known;
    }
    return unknown;
}

varve_status log_start_over(struct store_log *log, varve_error *error)
{
    PGresult *head = NULL;
    versions_forget(&log->versions);
    (void)connection_send(log->writer, S_HEAD, NULL);
    varve_status status = connection_round(log->writer, &head, 1, "reading the head of the log", error);
    if (status < 0) return status;
    log->head = (struct store_head){ .history = log->writer->history };
    if (PQntuples(head) == 1) {
        log->head.position = (uint64_t)result_int(head, 0, 0);
        log->head.recorded_at = result_time(head, 0, 1);
    }
    PQclear(head);
    return VARVE_OK;
}

/* The memory of one round of questions, and where their answers will stand. */
struct questions {
    struct array names, ids, spaces, keys;
    varve_buf json;
    size_t news, versions, found_ids, records, queries, count;
};

static void questions_fini(struct questions *questions)
{
    varve_buf_fini(&questions->names.bytes);
    varve_buf_fini(&questions->ids.bytes);
    varve_buf_fini(&questions->spaces.bytes);
    varve_buf_fini(&questions->keys.bytes);
    varve_buf_fini(&questions->json);
}

static bool ask(struct store_log *log, const struct batch *batch, enum beginning beginning, size_t unknown,
                struct questions *questions)
{
    struct connection *writer = log->writer;
    struct values since = { 0 };
    bool sent = true;
    values_int(&since, (int64_t)log->head.position);
    values_int(&since, NEWS_MAX + 1);
    if (beginning == LOOK_AND_LOCK)
        sent = connection_send(writer, S_BEGIN, NULL) && connection_send(writer, S_LOCK, NULL);
    else if (beginning == LOOK_ALONE)
        sent = connection_send(writer, S_BEGIN_LOOK, NULL);
    if (beginning == LOOK_AND_LOCK) sent = sent && connection_hurry(writer); /* a query is awaited as long once more */
    questions->news = writer->sent;
    sent = sent && connection_send(writer, S_NEWS, &since);
    questions->versions = writer->sent;
    if (unknown > 0) sent = sent && send_names(writer, batch, &questions->names);
    questions->found_ids = writer->sent;
    if (batch->id_count > 0) sent = sent && send_ids(writer, batch, &questions->ids);
    questions->records = writer->sent;
    if (batch->record_count > 0) sent = sent && send_records(writer, batch, &questions->spaces, &questions->keys);
    /* A query may have to look at the whole log; a COMMIT is never ended. */
    if (batch->query_count > 0) sent = sent && connection_send(writer, S_LIMIT_QUERY, NULL);
    questions->queries = writer->sent;
    for (size_t i = 0; i < batch->query_count; i++)
        sent = sent && send_query(writer, &batch->queries[i], &questions->json) && connection_hurry(writer);
    if (batch->query_count > 0) sent = sent && connection_send(writer, S_LIMIT_NONE, NULL);
    if (beginning == LOOK_ALONE) sent = connection_send(writer, S_COMMIT, NULL) && sent;
    questions->count = writer->sent;
    return sent;
}

static varve_status take_answers(struct store_log *log, struct batch *batch, const struct questions *questions,
                                 PGresult **results, bool *again, varve_error *error)
{
    *again = !take_news(log, batch, results[questions->news]);
    if (*again) return log_start_over(log, error);
    bool taken =
        take_ids(batch, batch->id_count > 0 ? results[questions->found_ids] : NULL) &&
        (batch->record_count == 0 || take_records(batch, results[questions->records], results[questions->records + 1]));
    if (!taken) return varve_error_set(error, VARVE_NOMEM, "no memory for what was looked up");
    for (size_t i = 0; i < batch->query_count; i++) {
        const PGresult *match = results[questions->queries + i];
        batch->queries[i].match = PQgetisnull(match, 0, 0) ? 0 : (uint64_t)result_int(match, 0, 0);
    }
    if (questions->found_ids > questions->versions) take_versions(log, batch, results[questions->versions]);
    return VARVE_OK;
}

/* One doubtful batch less to come. False: there is no doubt. */
static bool take_doubt(uint32_t *doubtful)
{
    if (*doubtful == 0) return false;
    --*doubtful;
    return true;
}

bool batch_recall(struct store_log *log, struct batch *batch, bool afloat)
{
    for (size_t i = 0; i < batch->stream_count; i++) batch->streams[i].knowledge = VERSION_UNKNOWN;
    size_t unknown = afloat ? batch->stream_count : recall_versions(log, batch);
    bool doubts_versions = unknown > 0 && take_doubt(&log->versions_doubtful);
    bool doubts_ids = batch->id_count + batch->record_count > 0 && take_doubt(&log->ids_doubtful);
    batch->head = log->head;
    return !doubts_versions && !doubts_ids && batch_presume(batch);
}

varve_status batch_look(struct store_log *log, struct batch *batch, enum beginning beginning, varve_error *error)
{
    varve_status status = VARVE_OK;
    if (beginning == LOOK_AND_LOCK) log_meanwhile(log); /* nobody waits for the lock longer than for our own work */
    for (bool again = true; again && status >= 0;) {
        size_t unknown = recall_versions(log, batch);
        struct questions questions = { 0 };
        PGresult **results = arena_array(&batch->memory, QUESTIONS + batch->query_count, sizeof(void *));
        if (results == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory to look up what appends depend on");
        bool sent = ask(log, batch, beginning, unknown, &questions);
        connection_end(log->writer);
        log_meanwhile(log);
        status = connection_round(log->writer, results, questions.count, "looking up what appends depend on", error);
        if (status >= 0 && !sent)
            status = varve_error_set(error, VARVE_NOMEM, "no memory to look up what appends depend on");
        if (status >= 0) status = take_answers(log, batch, &questions, results, &again, error);
        results_clear(results, questions.count);
        questions_fini(&questions);
        if (beginning == LOOK_AND_LOCK) beginning = LOOK_LOCKED;
    }
    batch->head = log->head;
    return status;
}
