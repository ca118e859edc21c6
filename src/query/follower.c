/* SPDX-License-Identifier: Apache-2.0 */
#include "query/follower.h"

#include "base/assert.h"
#include "base/clock.h"
#include "query/park.h"
#include "query/parts.h"
#include "store/access.h"

/* A batch ends after this many events, bytes of data, positions looked at or this time, whichever comes first. */
enum { BATCH_EVENTS = 8000, BATCH_BYTES = 8 << 20, BATCH_POSITIONS = 16 << 10, BATCH_MS = 500 };

/* Statements that take too long are ended, and are the event's failure when it is not the first time: a machine may
 * have stood still. */
enum { OVERTIME_TRIES = 3 };

/* A batch on its way: how much there is, and up to where. */
struct batch {
    size_t events;
    size_t bytes;
    uint64_t position; /* the last event looked at, taken or another part's; 0: none */
    varve_uuid id;
    uint64_t began;  /* where the log was last looked at before it … */
    uint64_t end_ns; /* … and when it is long enough */
};

static varve_status open_cursor(struct follower *follower, varve_error *error)
{
    const struct generation_home *home = follower->generation->home;
    const struct checkpoint *checkpoint = &follower->generation->checkpoint;
    ASSERT(home->type_count > 0); /* it is complete */
    varve_read_options options = {
        .after_position = checkpoint->position,
        .after_id = checkpoint->id,
        .incarnation = varve_str_of(home->incarnation),
        .types = home->types,
        .type_count = home->type_count,
        .until_position = follower->until,
        .follow = follower->until == 0,
    };
    varve_status status = varve_cursor_open(&follower->cursor, follower->store, &options, error);
    if (status == VARVE_OK && follower->until == 0) store_cursor_share(follower->cursor);
    return status;
}

void follower_stop(struct follower *follower)
{
    varve_cursor_close(follower->cursor);
    follower->cursor = NULL;
    parts_end(follower->parts);
    follower->parts = NULL;
}

bool follower_is_begun(const struct follower *follower)
{
    return follower->cursor != NULL || follower->parts != NULL;
}

uint64_t follower_scanned(const struct follower *follower)
{
    if (follower->parts != NULL) {
        return parts_scanned(follower->parts);
    }
    uint64_t position = follower->generation->checkpoint.position;
    uint64_t scanned = follower->cursor == NULL ? 0 : varve_cursor_scanned(follower->cursor);
    return scanned > position ? scanned : position;
}

int follower_fd(struct follower *follower)
{
    if (follower->parts != NULL) {
        return parts_fd(follower->parts);
    }
    return follower->cursor == NULL ? -1 : varve_cursor_fd(follower->cursor);
}

/* The id of the event at a position. VARVE_NOT_FOUND beyond the head. */
static varve_status find_id(varve_store *store, uint64_t position, varve_uuid *id, varve_error *error)
{
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
    const varve_read_options options = { .after_position = position - 1, .until_position = position };
    varve_status status = varve_cursor_open(&cursor, store, &options, error);
    if (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &event, error);
    }
    if (status == VARVE_OK) {
        *id = event->id;
    } else if (status == VARVE_DONE || status == VARVE_REWOUND) {
        status = varve_error_set(error, VARVE_NOT_FOUND, "the log has no position %llu", (unsigned long long)position);
    }
    varve_cursor_close(cursor);
    return status;
}

static varve_status has(varve_store *store, const struct checkpoint *checkpoint, bool *fits, varve_error *error)
{
    *fits = true;
    if (checkpoint->position == 0) {
        return VARVE_OK;
    }
    varve_uuid id = { { 0 } };
    varve_status status = find_id(store, checkpoint->position, &id, error);
    *fits = status == VARVE_OK && memcmp(id.bytes, checkpoint->id.bytes, sizeof id.bytes) == 0;
    return status == VARVE_NOT_FOUND ? VARVE_OK : status;
}

varve_status follower_fits(varve_store *store, const struct generation *generation, bool *fits, varve_error *error)
{
    varve_status status = has(store, &generation->checkpoint, fits, error);
    for (unsigned i = 0; status == VARVE_OK && *fits && i < generation->part_count; i++) {
        status = has(store, &generation->parts[i]->checkpoint, fits, error);
    }
    return status;
}

static varve_status commit(struct follower *follower, struct batch *batch, varve_error *error)
{
    varve_status status = VARVE_OK;
    if (batch->events > 0) {
        status = generation_commit(follower->generation, batch->position, batch->id, error);
        follower->applied += status == VARVE_OK ? batch->events : 0;
        follower->overtime = status == VARVE_OK ? 0 : follower->overtime;
    }
    batch->events = batch->bytes = 0;
    return status;
}

/* What went wrong with an event: names it, unless another try may help. */
static varve_status blame(const varve_event *event, const varve_error *cause, varve_error *error)
{
    if ((cause->flags & VARVE_ERROR_RETRIABLE) != 0) {
        if (error != NULL) {
            *error = *cause;
        }
        return cause->status;
    }
    return varve_error_set(error, cause->status, "position %llu, %.*s of %.*s: %s", (unsigned long long)event->position,
                           (int)event->type.len, event->type.ptr, (int)event->stream.len, event->stream.ptr,
                           cause->message);
}

/* An event failed by itself: it is set aside, or the projection stops here. */
static varve_status give_up(struct follower *follower, const varve_event *event, varve_error *cause, varve_error *error)
{
    if (cause->status == VARVE_TIMEOUT && ++follower->overtime >= OVERTIME_TRIES) {
        cause->status = VARVE_APPLICATION;
        cause->flags = 0;
    }
    if (park_suits(follower->generation, cause)) {
        varve_error refusal = { 0 };
        varve_status status = park_event(follower->generation, event, cause, &refusal);
        if (status == VARVE_OK) {
            return VARVE_OK;
        }
        if (status != VARVE_DENIED) {
            *cause = refusal;
        } else {
            varve_error last = *cause;
            varve_error_set(cause, last.status, "%s; %s", refusal.message, last.message);
        }
    }
    if ((cause->flags & VARVE_ERROR_RETRIABLE) == 0 && cause->status != VARVE_LOCKED) {
        follower->failed = event->position;
        follower->failed_id = event->id;
        follower->failed_in = follower->generation;
    }
    return blame(event, cause, error);
}

static void look(struct batch *batch, const varve_event *event)
{
    batch->position = event->position;
    batch->id = event->id;
}

static varve_status take(struct follower *follower, struct batch *batch, const varve_event *event, varve_error *error)
{
    varve_error cause = { 0 };
    varve_status status = VARVE_OK;
    if (batch->events > 0 && event->position == follower->suspect) {
        status = commit(follower, batch, &cause);
    }
    if (status == VARVE_OK && batch->events == 0) {
        status = generation_begin(follower->generation, &cause);
    }
    if (status == VARVE_OK) {
        status = generation_apply(follower->generation, event, &cause);
    }
    if (status == VARVE_OK) {
        batch->events++;
        batch->bytes += event->data.len + event->metadata.len;
        look(batch, event);
        return VARVE_OK;
    }
    generation_rollback(follower->generation);
    if (follower->generation->swift) {
        batch->events = 0;
        if (error != NULL) {
            *error = cause;
        }
        return status;
    }
    if (batch->events > 0 && ((cause.flags & VARVE_ERROR_RETRIABLE) == 0 || status == VARVE_TIMEOUT)) {
        /* Those before it are not to blame: once more from the checkpoint, and this one by itself. */
        follower->suspect = event->position;
        status = VARVE_BUSY;
        varve_error_set(error, status, "an event of a batch failed");
    } else {
        status = give_up(follower, event, &cause, error);
    }
    batch->events = 0;
    return status;
}

/* Moves the checkpoint over events that do not concern the projection. */
static varve_status flush_checkpoint(struct follower *follower, varve_error *error)
{
    uint64_t scanned = follower_scanned(follower);
    varve_uuid id = { { 0 } };
    if (scanned == follower->generation->checkpoint.position) {
        return VARVE_OK;
    }
    varve_status status = find_id(follower->store, scanned, &id, error);
    if (status == VARVE_NOT_FOUND) {
        return VARVE_REWOUND;
    }
    if (status == VARVE_OK) {
        status = generation_begin(follower->generation, error);
    }
    if (status == VARVE_OK) {
        status = generation_commit(follower->generation, scanned, id, error);
    }
    return status;
}

/* True while the batch may take another event. */
static bool has_room(const struct follower *follower, const struct batch *batch)
{
    return batch->events < BATCH_EVENTS && batch->bytes < BATCH_BYTES &&
           follower_scanned(follower) - batch->began < BATCH_POSITIONS && clock_ns() < batch->end_ns;
}

/* Somewhere in the batch an event failed: it is found when the batch is run again, each failure told at once. */
static bool slow_down(struct follower *follower, varve_status status, const varve_error *error)
{
    bool by_event = status == VARVE_CONFLICT || status == VARVE_APPLICATION || status == VARVE_INVALID ||
                    status == VARVE_DENIED || status == VARVE_TOO_LARGE || status == VARVE_CORRUPT ||
                    status == VARVE_TIMEOUT;
    bool passes = error != NULL && (error->flags & VARVE_ERROR_RETRIABLE) != 0 && status != VARVE_TIMEOUT;
    if (!follower->generation->swift || !by_event || passes) {
        return false;
    }
    generation_set_swift(follower->generation, false);
    return true;
}

varve_status follower_advance(struct follower *follower, bool flush, varve_error *error)
{
    if (follower->generation->part_count > 0) {
        return parts_advance(follower, flush, error);
    }
    uint64_t batch_ms = follower->batch_ms == 0 ? BATCH_MS : follower->batch_ms;
    struct batch batch = { .end_ns = clock_ns() + batch_ms * 1000000 };
    varve_status status = VARVE_OK;
    bool alone = false, committed = false, others = false;
    uint64_t suspect = follower->suspect;
    follower->failed = 0;
    if (follower->cursor == NULL) {
        status = generation_settle(follower->generation, error);
        if (status == VARVE_OK) {
            status = open_cursor(follower, error);
        }
        if (follower->suspect <= follower->generation->checkpoint.position) {
            follower->suspect = suspect = 0; /* it was skipped */
        }
    }
    batch.began = follower_scanned(follower);
    while (status == VARVE_OK && !alone && has_room(follower, &batch)) {
        const varve_event *event = NULL;
        status = varve_cursor_next(follower->cursor, &event, error);
        if (status == VARVE_OK) {
            if (generation_takes(follower->generation, event->stream)) {
                alone = event->position == suspect;
                status = take(follower, &batch, event, error);
            } else {
                look(&batch, event);
                others = true;
            }
        }
    }
    follower->caught_up = follower->caught_up || status == VARVE_CAUGHT_UP;
    bool passed_over =
        status == VARVE_IDLE || status == VARVE_SKIPPED || (status == VARVE_OK && batch.events == 0 && others);
    if (status >= 0) {
        bool any = batch.events > 0;
        varve_status ended = commit(follower, &batch, error);
        committed = any && ended == VARVE_OK;
        status = ended < 0 ? ended : status == VARVE_IDLE || status == VARVE_DONE ? status : VARVE_OK;
        if (alone && ended == VARVE_OK) {
            follower->suspect = 0;
        }
    } else if (batch.events > 0) {
        generation_rollback(follower->generation);
    }
    if (status >= 0 && passed_over && flush) {
        varve_status flushed = flush_checkpoint(follower, error);
        status = flushed < 0 ? flushed : status;
    }
    if (status < 0) {
        /* Events read and not kept must be read again. */
        follower_stop(follower);
        if (follower->suspect != suspect || slow_down(follower, status, error)) {
            status = VARVE_OK;
        }
    } else if (committed && follower->suspect == 0 && follower->generation->projection != NULL) {
        generation_set_swift(follower->generation, true);
    }
    return status;
}
