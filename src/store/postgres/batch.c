/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/batch.h"

#include "base/assert.h"
#include "base/hash.h"
#include "event/query.h"

/* ---- what must be known ---- */

static bool looks_ids_up(const struct batch *batch, const struct store_append *append)
{
    return append->event_count > 0 && (batch->resent || !append->ids_are_new);
}

/* How many ids of the append are looked up. */
static size_t id_count(const struct batch *batch, const struct store_append *append)
{
    if (append->absent_id != NULL) return 1;
    return looks_ids_up(batch, append) ? append->event_count : 0;
}

static uint32_t *find_place(struct batch *batch, varve_str name)
{
    size_t at = hash_str(name) & (batch->place_count - 1);
    while (batch->places[at] != 0 && !varve_str_eq(batch->streams[batch->places[at] - 1].name, name))
        at = (at + 1) & (batch->place_count - 1);
    return &batch->places[at];
}

struct batch_stream *batch_find_stream(struct batch *batch, varve_str name)
{
    uint32_t place = *find_place(batch, name);
    return place == 0 ? NULL : &batch->streams[place - 1];
}

static bool list_streams(struct batch *batch)
{
    size_t most = 0;
    for (size_t i = 0; i < batch->append_count; i++) most += batch->appends[i]->stream_count;
    for (batch->place_count = 64; batch->place_count < 2 * most; batch->place_count *= 2) {
    }
    batch->places = arena_array(&batch->memory, batch->place_count, sizeof *batch->places);
    batch->streams = arena_array(&batch->memory, most + 1, sizeof *batch->streams);
    batch->append_streams = arena_array(&batch->memory, batch->append_count, sizeof *batch->append_streams);
    if (batch->places == NULL || batch->streams == NULL || batch->append_streams == NULL) return false;
    for (size_t i = 0; i < batch->append_count; i++) {
        const struct store_append *append = batch->appends[i];
        uint32_t *own = arena_array(&batch->memory, append->stream_count + 1, sizeof *own);
        if (own == NULL) return false;
        for (size_t j = 0; j < append->stream_count; j++) {
            uint32_t *place = find_place(batch, append->streams[j].stream);
            if (*place == 0) {
                batch->streams[batch->stream_count++].name = append->streams[j].stream;
                *place = (uint32_t)batch->stream_count;
            }
            own[j] = *place - 1;
        }
        batch->append_streams[i] = own;
    }
    return true;
}

static bool list_rest(struct batch *batch)
{
    size_t events = 0, ids = 0, conditions = 0, records = 0;
    for (size_t i = 0; i < batch->append_count; i++) {
        const struct store_append *append = batch->appends[i];
        events += append->event_count;
        ids += id_count(batch, append);
        conditions += append->condition_count;
        records += append->write_count;
    }
    batch->ids = arena_array(&batch->memory, ids + 1, sizeof *batch->ids);
    batch->queries = arena_array(&batch->memory, conditions + 1, sizeof *batch->queries);
    batch->records = arena_array(&batch->memory, records + 1, sizeof *batch->records);
    batch->accepted = arena_array(&batch->memory, events + 1, sizeof *batch->accepted);
    for (batch->id_place_count = 64; batch->id_place_count < 2 * ids; batch->id_place_count *= 2) {
    }
    batch->id_places = arena_array(&batch->memory, batch->id_place_count, sizeof *batch->id_places);
    if (batch->id_places == NULL || batch->ids == NULL || batch->queries == NULL || batch->records == NULL ||
        batch->accepted == NULL)
        return false;
    for (size_t i = 0; i < batch->append_count; i++) {
        struct store_append *append = batch->appends[i];
        for (size_t j = 0; j < id_count(batch, append); j++)
            batch->ids[batch->id_count++].id = append->absent_id != NULL ? append->absent_id : &append->events[j].id;
        for (size_t j = 0; j < append->condition_count; j++)
            if (append->conditions[j].kind == VARVE_FAIL_IF_MATCH)
                batch->queries[batch->query_count++].condition = &append->conditions[j];
        for (size_t j = 0; j < append->write_count; j++)
            batch->records[batch->record_count++].write = &append->writes[j];
    }
    return true;
}

varve_status batch_init(struct batch *batch, const struct store_batch *work, bool resent, varve_error *error)
{
    *batch = (struct batch){ .appends = work->appends, .append_count = work->append_count, .resent = resent };
    if (list_streams(batch) && list_rest(batch)) return VARVE_OK;
    batch_fini(batch);
    return varve_error_set(error, VARVE_NOMEM, "no memory for a batch of %zu appends", work->append_count);
}

void batch_fini(struct batch *batch)
{
    arena_fini(&batch->memory);
}

/* ---- what may be presumed ---- */

/* The version that a condition on the stream wants it to be at. False: it wants something else, or what cannot be. */
static bool expected_version(const varve_condition *condition, uint64_t *version)
{
    *version = condition->kind == VARVE_STREAM_AT ? condition->version : 0;
    return (condition->kind == VARVE_STREAM_AT || condition->kind == VARVE_STREAM_NONE) && *version < INT64_MAX;
}

/* The stream's version as the append, the first one on it, expects it; or it does not say, and so it may be counted. */
static bool presume_version(struct batch_stream *stream, const struct store_append *append, uint32_t place)
{
    stream->knowledge = VERSION_COUNTED;
    stream->version = 0;
    for (size_t i = 0; i < append->condition_count; i++) {
        if (append->condition_stream[i] != place || append->conditions[i].kind == VARVE_STREAM_ANY) continue;
        if (!expected_version(&append->conditions[i], &stream->version)) return false;
        stream->knowledge = VERSION_ASSUMED;
        return true;
    }
    return true;
}

/* A version that is counted from 0 must not be compared with. */
static bool compares(const struct batch *batch, const struct store_append *append, const uint32_t *streams)
{
    for (size_t i = 0; i < append->condition_count; i++)
        if (append->conditions[i].kind != VARVE_STREAM_ANY &&
            batch->streams[streams[append->condition_stream[i]]].knowledge == VERSION_COUNTED)
            return true;
    return false;
}

/* A record that must not be there, and stays away: the write asserts that. */
static bool presume_record(struct batch_record *record)
{
    record->known = 0;
    return record->write->only_check;
}

bool batch_presume(struct batch *batch)
{
    if (batch->resent || batch->query_count > 0) return false;
    for (size_t i = 0; i < batch->record_count; i++)
        if (!presume_record(&batch->records[i])) return false;
    for (size_t i = 0; i < batch->append_count; i++) {
        const struct store_append *append = batch->appends[i];
        const uint32_t *streams = batch->append_streams[i];
        if (append->absent_id != NULL) return false;
        for (uint32_t j = 0; j < append->stream_count; j++) {
            struct batch_stream *stream = &batch->streams[streams[j]];
            if (stream->knowledge == VERSION_UNKNOWN && !presume_version(stream, append, j)) return false;
        }
        if (compares(batch, append, streams)) return false;
    }
    return true;
}

bool batch_may_be_written(const struct batch *batch)
{
    if (batch->accepted_count == 0) return false;
    /* What is assumed of a stream is asserted with the first event on it. */
    for (size_t i = 0; i < batch->stream_count; i++)
        if (batch->streams[i].knowledge == VERSION_ASSUMED && batch->streams[i].decided == batch->streams[i].version)
            return false;
    for (size_t i = 0; i < batch->append_count; i++)
        if (batch->appends[i]->status < 0 && looks_ids_up(batch, batch->appends[i])) return false;
    return true;
}

/* ---- deciding ---- */

/* Where the next append's ids, queries and records stand in the batch's lists. */
struct places {
    size_t id, query, record;
};

/* Where the id of an earlier append of this batch stands, or the empty place where it would. Ids end in random bits. */
static uint32_t *find_id(const struct batch *batch, const varve_uuid *id)
{
    size_t at;
    memcpy(&at, id->bytes + sizeof id->bytes - sizeof at, sizeof at);
    for (at &= batch->id_place_count - 1; batch->id_places[at] != 0; at = (at + 1) & (batch->id_place_count - 1))
        if (memcmp(&batch->accepted[batch->id_places[at] - 1].event->id, id, sizeof *id) == 0) break;
    return &batch->id_places[at];
}

/* The same as in the SQLite driver: all ids there and consecutive is a repeat, some of them there a conflict. */
static void check_repeat(struct batch *batch, struct store_append *append, const struct batch_id *ids)
{
    uint64_t first = 0;
    bool conflict = false;
    for (size_t i = 0; i < append->event_count; i++) {
        varve_stream_version *stream = &append->streams[append->event_stream[i]];
        struct batch_id found = ids[i];
        uint32_t here = found.position == 0 ? *find_id(batch, found.id) : 0;
        if (here != 0) {
            found.position = batch->head.position + here;
            found.version = batch->accepted[here - 1].version;
            found.stream = batch->accepted[here - 1].event->stream;
            found.recorded_at = 0; /* batch_settle knows it */
        }
        if (i == 0) first = found.position;
        if (first == 0 && found.position == 0) continue;
        if (first == 0 || found.position != first + i || !varve_str_eq(found.stream, stream->stream)) conflict = true;
        stream->version = found.version;
        append->recorded_at = found.recorded_at;
    }
    if (conflict) {
        append->status =
            varve_error_set(&append->error, VARVE_ID_CONFLICT,
                            "an event id of this append was used before, in another append or for another stream");
    } else if (first != 0) {
        append->status = batch->resent && append->ids_are_new ? VARVE_OK : VARVE_REPEATED;
        append->first_position = first;
        append->last_position = first + append->event_count - 1;
    }
}

static void check_absent(const struct batch *batch, struct store_append *append, const struct batch_id *id)
{
    if (id->position != 0 || *find_id(batch, id->id) != 0) append_refuse_known(append);
}

/* What an earlier append of this batch does to the record, or NULL. */
static const struct store_write *earlier_write(const struct batch *batch, size_t place)
{
    const struct store_record *record = &batch->records[place].write->record;
    for (size_t i = place; i > 0; i--) {
        const struct store_write *other = batch->records[i - 1].write;
        if (batch->records[i - 1].decided && varve_str_eq(other->record.key, record->key) &&
            varve_str_eq(other->record.space, record->space))
            return other;
    }
    return NULL;
}

uint64_t batch_known_revision(const struct batch *batch, size_t i)
{
    const struct store_write *earlier = earlier_write(batch, i);
    if (earlier == NULL) return batch->records[i].known;
    return earlier->remove ? 0 : earlier->record.revision;
}

/* Whether a record is as this write would have left it: an earlier try may have been committed. */
static bool was_written(const struct batch *batch, const struct batch_record *record, uint64_t tried)
{
    if (!batch->resent || tried == 0) return false;
    if (record->write->remove) return record->known == 0;
    return record->known == tried && varve_str_eq(record->value, record->write->record.value);
}

/* Sets the new revisions of the append's writes, unless one does not find what it expects. */
static void check_writes(struct batch *batch, struct store_append *append, size_t first)
{
    size_t done = 0;
    for (size_t i = 0; i < append->write_count; i++) {
        struct batch_record *record = &batch->records[first + i];
        struct store_write *write = record->write;
        const struct store_write *earlier = earlier_write(batch, first + i);
        uint64_t revision = earlier != NULL ? earlier->record.revision : record->known;
        varve_time expires_at = earlier != NULL ? earlier->record.expires_at : record->expires_at;
        bool there =
            revision != 0 && (earlier == NULL || !earlier->remove) && (expires_at == 0 || expires_at > batch->now);
        bool as_expected = write_finds_expected(write, there, revision);
        if (write->expires_in != 0) write->record.expires_at = batch->now + write->expires_in;
        if (write->only_check && as_expected) continue;
        if (was_written(batch, record, write->tried)) {
            done++;
            write->record.revision = write->tried;
        } else if (as_expected) {
            write->record.revision = record_next_revision(revision, batch->now);
            /* The same in each try, so that whichever is committed is known again. */
            if (batch->resent && write->tried > revision) write->record.revision = write->tried;
        } else if (batch->resent && write->tried != 0 && append->event_count == 0) {
            append->status = varve_error_set(&append->error, VARVE_INDETERMINATE,
                                             "the connection was lost while a record was written, and now another one "
                                             "stands there");
            break;
        } else {
            append_refuse_write(append, i);
            break;
        }
    }
    /* All of it is there already: nothing is left to do. */
    if (append->status >= 0 && done > 0 && done == append->write_count && append->event_count == 0)
        append->status = VARVE_REPEATED;
}

/* The first position that matches a condition's query, committed or of this batch; 0 when there is none. */
static uint64_t match_of(const struct batch *batch, const struct batch_query *query)
{
    const varve_condition *condition = query->condition;
    if (query->match != 0) return query->match;
    for (size_t i = 0; i < batch->accepted_count; i++) {
        uint64_t position = batch->head.position + i + 1;
        if (position > condition->after &&
            event_query_matches(condition->items, condition->item_count, batch->accepted[i].event))
            return position;
    }
    return 0;
}

static void check_conditions(const struct batch *batch, struct store_append *append, size_t query)
{
    for (size_t i = 0; i < append->condition_count; i++) {
        const varve_condition *condition = &append->conditions[i];
        if (condition->kind == VARVE_FAIL_IF_MATCH) {
            uint64_t match = match_of(batch, &batch->queries[query++]);
            if (match != 0) append_note_failed(append, i, 0, match);
        } else {
            uint64_t version = append->streams[append->condition_stream[i]].version;
            if (!condition_holds(condition, version)) append_note_failed(append, i, version, 0);
        }
    }
    append_settle_conditions(append);
}

static void accept(struct batch *batch, struct store_append *append, const uint32_t *streams, bool by_id, size_t record)
{
    if (append->event_count > 0) append->first_position = batch->head.position + batch->accepted_count + 1;
    for (size_t i = 0; i < append->event_count; i++) {
        struct batch_stream *stream = &batch->streams[streams[append->event_stream[i]]];
        varve_stream_version *told = &append->streams[append->event_stream[i]];
        told->version = ++stream->decided;
        batch->accepted[batch->accepted_count++] = (struct batch_event){
            .event = &append->events[i], .stream = stream, .append = append, .version = stream->decided
        };
        if (by_id) *find_id(batch, &append->events[i].id) = (uint32_t)batch->accepted_count;
    }
    append->last_position = batch->head.position + batch->accepted_count;
    append->recorded_at = 0;
    for (size_t i = 0; i < append->write_count; i++) {
        batch->records[record + i].checked = append->writes[i].only_check;
        batch->records[record + i].decided = !append->writes[i].only_check;
        batch->write_count += !append->writes[i].only_check;
    }
}

static void decide(struct batch *batch, size_t i, struct places *at)
{
    struct store_append *append = batch->appends[i];
    const uint32_t *streams = batch->append_streams[i];
    bool by_id = looks_ids_up(batch, append);
    append->status = VARVE_OK;
    append->error = (varve_error){ 0 };
    append->failed_count = append->failed_write = 0;
    append->first_position = 0;
    if (append->absent_id != NULL)
        check_absent(batch, append, &batch->ids[at->id]);
    else if (by_id)
        check_repeat(batch, append, &batch->ids[at->id]);
    bool repeat = append->status != VARVE_OK || append->first_position != 0;
    if (!repeat && append->after != NULL && append->after->status != VARVE_OK) append_refuse_behind(append);
    if (!repeat && append->status == VARVE_OK) check_writes(batch, append, at->record);
    if (!repeat && append->status == VARVE_OK) {
        for (size_t j = 0; j < append->stream_count; j++)
            append->streams[j].version = batch->streams[streams[j]].decided;
        check_conditions(batch, append, at->query);
        if (append->status == VARVE_OK) accept(batch, append, streams, by_id, at->record);
    }
    at->id += id_count(batch, append);
    for (size_t j = 0; j < append->condition_count; j++) at->query += append->conditions[j].kind == VARVE_FAIL_IF_MATCH;
    at->record += append->write_count;
}

void batch_decide(struct batch *batch)
{
    struct places at = { 0 };
    batch->accepted_count = batch->write_count = 0;
    for (size_t i = 0; i < batch->stream_count; i++) {
        ASSERT(batch->streams[i].knowledge != VERSION_UNKNOWN);
        batch->streams[i].decided = batch->streams[i].version;
    }
    for (size_t i = 0; i < batch->record_count; i++) {
        struct store_write *write = batch->records[i].write;
        if (write->record.revision != 0) write->tried = write->record.revision;
        batch->records[i].decided = batch->records[i].checked = false;
    }
    memset(batch->id_places, 0, batch->id_place_count * sizeof *batch->id_places);
    for (size_t i = 0; i < batch->append_count; i++) decide(batch, i, &at);
}

void batch_settle(struct batch *batch, uint64_t moved, varve_time recorded_at)
{
    batch->head.position += moved;
    for (size_t i = 0; i < batch->append_count; i++) {
        struct store_append *append = batch->appends[i];
        if (append->status < 0) continue;
        if (append->event_count > 0 && append->recorded_at == 0) append->recorded_at = recorded_at;
        append->first_position += append->event_count > 0 ? moved : 0;
        append->last_position += moved;
        for (size_t j = 0; j < append->stream_count; j++) {
            const struct batch_stream *stream = &batch->streams[batch->append_streams[i][j]];
            if (stream->knowledge == VERSION_COUNTED) append->streams[j].version += stream->version;
        }
    }
}

/* Refused because its idempotency key or its command's id is known: that is answered with the first outcome. */
static bool seems_repeated(const struct store_append *append)
{
    if (append->event_count > 0) return append->failed_write != 0;
    return append->absent_id != NULL && append->status == VARVE_ID_CONFLICT;
}

bool batch_has_repeats(const struct batch *batch)
{
    for (size_t i = 0; i < batch->append_count; i++)
        if (batch->appends[i]->status == VARVE_REPEATED || seems_repeated(batch->appends[i])) return true;
    return false;
}

static void refuse(struct store_append *append, const varve_error *error)
{
    append->status = error->status;
    append->error = *error;
    append->failed_count = append->failed_write = 0;
}

void batch_refuse(struct batch *batch, const varve_error *error)
{
    for (size_t i = 0; i < batch->append_count; i++) refuse(batch->appends[i], error);
}

void batch_doubt(struct batch *batch, const varve_error *error)
{
    for (size_t i = 0; i < batch->append_count; i++)
        if (batch->appends[i]->status >= 0 || seems_repeated(batch->appends[i])) refuse(batch->appends[i], error);
}
