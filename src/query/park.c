/* SPDX-License-Identifier: Apache-2.0 */
#include "query/park.h"

#include <inttypes.h>
#include <varve/read.h>

#include "base/assert.h"

bool park_suits(const struct generation *generation, const varve_error *cause)
{
    bool by_event =
        cause->status == VARVE_CONFLICT || cause->status == VARVE_APPLICATION || cause->status == VARVE_TOO_LARGE;
    return generation->home->file->parks && by_event && (cause->flags & VARVE_ERROR_RETRIABLE) == 0;
}

static varve_status set_aside(struct generation *generation, const varve_event *event, const varve_error *cause,
                              varve_error *error)
{
    varve_status status = generation_begin(generation, error);
    if (status < 0) {
        return status;
    }
    status = aside_put(&generation->parked, event, cause->message, error);
    if (status < 0) {
        generation_rollback(generation);
        return status;
    }
    return generation_commit(generation, event->position, event->id, error);
}

/* The bound is for all of the model, and other parts may be at it at the same time. */
varve_status park_event(struct generation *generation, const varve_event *event, const varve_error *cause,
                        varve_error *error)
{
    struct generation *whole = generation->whole == NULL ? generation : generation->whole;
    varve_status status =
        atomic_fetch_add(&whole->parked.count, 1) < VARVE_PROJECTION_PARKED_MAX
            ? set_aside(generation, event, cause, error)
            : varve_error_set(error, VARVE_DENIED, "%u events are parked already", VARVE_PROJECTION_PARKED_MAX);
    if (status < 0) {
        atomic_fetch_sub(&whole->parked.count, 1);
    }
    return status;
}

/* Notes that it failed once more; that the note is lost is no failure of its own. */
static void note_failure(struct generation *generation, uint64_t position, const char *problem)
{
    if (generation_begin(generation, NULL) < 0) {
        return;
    }
    if (aside_note(&generation->parked, position, problem, NULL) < 0) {
        generation_rollback(generation);
    } else {
        generation_keep(generation, NULL);
    }
}

/* In the transaction that is open: the event takes effect and is parked no more. */
static varve_status apply_parked(struct generation *generation, const varve_event *event, varve_error *error)
{
    varve_error cause = { 0 };
    ASSERT(event != NULL);
    varve_status status = aside_remove(&generation->parked, event->position, error);
    if (status < 0) {
        return status;
    }
    generation_set_swift(generation, false); /* what it comes to is to be told here */
    status = generation_apply(generation, event, &cause);
    if (status < 0 && (cause.flags & VARVE_ERROR_RETRIABLE) != 0) {
        *error = cause;
    } else if (status < 0) {
        status = varve_error_set(error, VARVE_APPLICATION, "position %" PRIu64 ", %.*s of %.*s: %s", event->position,
                                 (int)event->type.len, event->type.ptr, (int)event->stream.len, event->stream.ptr,
                                 cause.message);
    }
    return status;
}

/* Between looking for it and applying it nobody else changes the list: changes are one thread's, and fenced. */
static varve_status retry(struct generation *generation, varve_store *store, uint64_t position, varve_error *error)
{
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
    varve_uuid id;
    varve_status status = aside_find(&generation->parked, position, &id, error);
    if (status == VARVE_OK) {
        const varve_read_options options = { .after_position = position - 1, .until_position = position };
        status = varve_cursor_open(&cursor, store, &options, error);
    }
    if (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &event, error);
    }
    if (status > 0 || (status == VARVE_OK && memcmp(event->id.bytes, id.bytes, sizeof id.bytes) != 0)) {
        status =
            varve_error_set(error, VARVE_NOT_FOUND, "the log has another event at position %" PRIu64 " now", position);
    }
    if (status == VARVE_OK) {
        status = apply_parked(generation, event, error);
    }
    varve_cursor_close(cursor);
    return status;
}

varve_status park_retry(struct generation *generation, varve_store *store, uint64_t position, varve_error *error)
{
    varve_error cause = { 0 };
    varve_status status = generation_settle(generation, &cause);
    if (status == VARVE_OK && (status = generation_begin(generation, &cause)) == VARVE_OK) {
        status = retry(generation, store, position, &cause);
        if (status == VARVE_OK) {
            status = generation_keep(generation, &cause);
        } else {
            generation_rollback(generation);
        }
    }
    if (status == VARVE_OK) {
        generation->parked.count--;
    } else if (status == VARVE_APPLICATION) {
        note_failure(generation, position, cause.message);
    }
    if (status < 0 && error != NULL) {
        *error = cause;
    }
    return status;
}

varve_status park_skip(struct generation *generation, uint64_t position, varve_error *error)
{
    varve_uuid id;
    varve_status status = generation_settle(generation, error);
    if (status == VARVE_OK) {
        status = generation_begin(generation, error);
    }
    if (status < 0) {
        return status;
    }
    status = aside_find(&generation->parked, position, &id, error);
    if (status == VARVE_OK) {
        status = aside_remove(&generation->parked, position, error);
    }
    if (status < 0) {
        generation_rollback(generation);
        return status;
    }
    status = generation_keep(generation, error);
    if (status == VARVE_OK) {
        generation->parked.count--;
    }
    return status;
}

void park_tell(const struct log *log, const struct generation *generation, uint64_t before)
{
    varve_str name = generation->home->file->name;
    if (generation->parked.count > before) {
        log_line(log, VARVE_LOG_WARNING,
                 "projection %.*s: what cannot be applied is parked: %" PRIu64 " events of generation %" PRIu64
                 ", see `varve projection parked %.*s`",
                 (int)name.len, name.ptr, atomic_load(&generation->parked.count), generation->number, (int)name.len,
                 name.ptr);
    }
}

varve_status park_list(const struct generation_home *home, uint64_t after, uint64_t limit,
                       varve_projection_parked_visit visit, void *ctx, varve_error *error)
{
    struct sql_session *session = NULL;
    varve_status status = generation_read(home, &session, error);
    if (status == VARVE_OK) {
        status = aside_visit(home->place.sql, session, after, limit, visit, ctx, error);
    }
    home->place.sql->close(session);
    return status;
}
