/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a member. A reader that finds nothing keeps its pass, so that what comes next costs only itself; it begins
 * anew when the member's state has changed or something held is due.
 */
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "event/codec.h"
#include "store/contend.h"
#include "store/pass.h"

enum {
    DEFAULT_LIMIT = 100,
    DEFAULT_LEASE_MS = 30000,
    BATCH_BYTES = 4 << 20,
    LOOK_MS = 1000,       /* what others do to the member is seen after so long at the latest */
    ADVANCE_AFTER = 1000, /* positions without an event to deliver that are worth a write */
};

struct varve_reader {
    varve_store *store;
    struct arena own; /* what the options borrowed */
    varve_subscription_read_options options;
    uint32_t number;

    struct arena definition;
    struct subscription subscription;
    struct arena memory, spare; /* the member's and the pass's; the next state is loaded into the spare one */
    struct member member;
    struct pass pass;
    bool passing;
    uint64_t began; /* the position that the pass began at */
    bool advanced;  /* the position was written since the reader was opened */
    varve_time now; /* by the store's clock, when it was last looked at */
    varve_time due; /* when something held is to be delivered; 0: nothing is held */
    struct lease lease;
    struct arena lease_memory;
};

static varve_status no_memory(varve_error *error)
{
    varve_error_set(error, VARVE_NOMEM, "no memory for a subscription's reader");
    return VARVE_NOMEM;
}

/* ---- opening ---- */

static varve_status check_options(varve_store *store, varve_subscription_read_options *options, varve_error *error)
{
    if (options->size != 0 && options->size != sizeof *options)
        return varve_error_set(error, VARVE_INVALID,
                               "varve_subscription_read_options is of another version of the library");
    if (store_is_read_only(store))
        return varve_error_set(error, VARVE_DENIED, "the store is open for reading only, and reading takes a lease");
    if (options->limit == 0) options->limit = DEFAULT_LIMIT;
    if (options->lease_ms == 0) options->lease_ms = DEFAULT_LEASE_MS;
    if (options->limit > VARVE_SUBSCRIPTION_LIMIT_MAX)
        return varve_error_set(error, VARVE_INVALID, "a batch has at most %u events", VARVE_SUBSCRIPTION_LIMIT_MAX);
    if (options->lease_ms > VARVE_SUBSCRIPTION_LEASE_MAX)
        return varve_error_set(error, VARVE_INVALID, "a member is held for at most %u ms",
                               VARVE_SUBSCRIPTION_LEASE_MAX);
    return event_check_name(options->consumer, "the consumer", error);
}

static varve_status find_member(varve_reader *reader, varve_error *error)
{
    uint32_t members = reader->subscription.definition.members, wanted = reader->options.member;
    reader->number = wanted == 0 ? 1 : wanted;
    if (wanted > members || (wanted == 0 && members > 1))
        return varve_error_set(error, VARVE_INVALID, "the subscription %.*s has the members 1 to %lu: name one",
                               (int)reader->options.name.len, reader->options.name.ptr, (unsigned long)members);
    return VARVE_OK;
}

/* What was created, perhaps anew. */
static varve_status load_definition(varve_reader *reader, varve_error *error)
{
    arena_reset(&reader->definition);
    varve_status status =
        subscription_load(reader->store, reader->options.name, &reader->definition, &reader->subscription, error);
    if (status >= 0) status = subscription_check_history(reader->store, &reader->subscription, error);
    return status < 0 ? status : find_member(reader, error);
}

varve_status varve_reader_open(varve_reader **out, varve_store *store, const varve_subscription_read_options *options,
                               varve_error *error)
{
    varve_subscription_read_options checked = *options;
    varve_status status = check_options(store, &checked, error);
    if (status < 0) return status;
    varve_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return no_memory(error);
    reader->store = store;
    reader->options = checked;
    if (!arena_copy(&reader->own, checked.name, &reader->options.name) ||
        !arena_copy(&reader->own, checked.consumer, &reader->options.consumer))
        status = no_memory(error);
    if (status >= 0) status = load_definition(reader, error);
    if (status < 0) {
        varve_reader_close(reader);
        return status;
    }
    *out = reader;
    return VARVE_OK;
}

static void end_pass(varve_reader *reader)
{
    if (reader->passing) pass_close(&reader->pass);
    reader->passing = false;
}

void varve_reader_close(varve_reader *reader)
{
    if (reader == NULL) return;
    end_pass(reader);
    arena_fini(&reader->own);
    arena_fini(&reader->definition);
    arena_fini(&reader->memory);
    arena_fini(&reader->spare);
    arena_fini(&reader->lease_memory);
    free(reader);
}

/* ---- the batch ---- */

struct filling {
    varve_subscription_batch *batch;
    varve_delivery *deliveries;
    struct arena *memory;
    size_t limit, bytes;
};

static bool is_full(const struct filling *filling)
{
    return filling->batch->count >= filling->limit || filling->bytes >= BATCH_BYTES;
}

static varve_status deliver(struct filling *filling, const varve_event *event, uint32_t failed_attempts,
                            varve_error *error)
{
    varve_subscription_batch *batch = filling->batch;
    if (batch->memory == NULL) {
        filling->memory = batch->memory = calloc(1, sizeof *filling->memory);
        if (batch->memory == NULL) return no_memory(error);
        batch->deliveries = filling->deliveries =
            arena_array(filling->memory, filling->limit, sizeof *filling->deliveries);
    }
    if (filling->deliveries == NULL) return no_memory(error);
    varve_delivery *delivery = &filling->deliveries[batch->count];
    if (!subscription_copy_event(event, filling->memory, &delivery->event)) return no_memory(error);
    delivery->attempt = failed_attempts + 1;
    batch->count++;
    filling->bytes += event->data.len + event->metadata.len + sizeof *delivery;
    return VARVE_OK;
}

void varve_subscription_batch_fini(varve_subscription_batch *batch)
{
    if (batch->memory != NULL) arena_fini(batch->memory);
    free(batch->memory);
    *batch = (varve_subscription_batch){ 0 };
}

static int compare_deliveries(const void *a, const void *b)
{
    uint64_t first = ((const varve_delivery *)a)->event.position, second = ((const varve_delivery *)b)->event.position;
    return first < second ? -1 : first > second;
}

/* ---- what is unparked, then what is in the window ---- */

static void note_due(varve_reader *reader, varve_time time)
{
    if (reader->due == 0 || time < reader->due) reader->due = time;
}

/* The stream's events up to the member's position; those beyond are in the window, and wait for these. */
static varve_status deliver_unparked(varve_reader *reader, const struct unparked *unparked, struct filling *filling,
                                     varve_error *error)
{
    const varve_subscription *own = &reader->subscription.definition;
    const varve_read_options options = {
        .stream = unparked->stream,
        .from_version = unparked->version,
        .types = own->types,
        .type_count = own->type_count,
        .tags = own->tags,
        .tag_count = own->tag_count,
    };
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
    uint32_t attempts = unparked->next.attempts;
    varve_status status = varve_cursor_open(&cursor, reader->store, &options, error);
    while (status == VARVE_OK && !is_full(filling)) {
        status = varve_cursor_next(cursor, &event, error);
        if (status != VARVE_OK || event->position > reader->member.position) break;
        status = deliver(filling, event, attempts, error);
        attempts = 0;
    }
    varve_cursor_close(cursor);
    return status < 0 ? status : VARVE_OK;
}

static varve_status deliver_all_unparked(varve_reader *reader, struct filling *filling, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; status >= 0 && i < reader->member.unparked_count && !is_full(filling); i++) {
        const struct unparked *unparked = &reader->member.unparked[i];
        if (unparked->next.not_before > reader->now)
            note_due(reader, unparked->next.not_before);
        else
            status = deliver_unparked(reader, unparked, filling, error);
    }
    return status;
}

/* Goes on with the pass until the batch is full or there is nothing more just now. */
static varve_status deliver_window(varve_reader *reader, struct filling *filling, varve_error *error)
{
    struct pass *pass = &reader->pass;
    varve_status status = VARVE_OK;
    while (status >= 0 && !is_full(filling)) {
        status = pass_next(pass, error);
        if (status == VARVE_CAUGHT_UP) continue;
        if (status != VARVE_OK) break;
        if (pass->standing != STANDING_OPEN) {
            pass_settle(pass);
        } else if (pass->hold != NULL && pass->hold->not_before > reader->now) {
            note_due(reader, pass->hold->not_before);
            pass_leave(pass, true);
        } else {
            if (pass->blocker == 0)
                status = deliver(filling, pass->event, pass->hold == NULL ? 0 : pass->hold->attempts, error);
            pass_leave(pass, false);
        }
    }
    return status;
}

/* ---- a step ---- */

/* Holds the member for the consumer: writes only when half of the time is over. */
static varve_status hold_member(varve_reader *reader, varve_error *error)
{
    struct lease wanted, previous;
    arena_reset(&reader->lease_memory);
    varve_status status = subscription_look_lease(reader->store, &reader->subscription, reader->number,
                                                  &reader->lease_memory, &reader->lease, &reader->now, error);
    if (status < 0) return status;
    uint32_t wanted_ms = reader->options.lease_ms;
    bool mine = varve_str_eq(reader->lease.owner, reader->options.consumer) && reader->lease.duration_ms == wanted_ms;
    if (mine && reader->lease.expires_at - reader->now > (varve_time)wanted_ms * 500) return VARVE_OK;
    /* A lease of what was deleted would be in the way of who creates it again. */
    struct member member;
    arena_reset(&reader->spare);
    status = subscription_load_member(reader->store, &reader->subscription, reader->number, 0, &reader->spare, &member,
                                      &reader->now, error);
    if (status < 0) return status;
    wanted = (struct lease){ .name = reader->lease.name,
                             .owner = reader->options.consumer,
                             .duration_ms = reader->options.lease_ms };
    return lease_take(reader->store, &wanted, &reader->lease_memory, &reader->lease, &previous, error);
}

/* Begins the pass anew unless it can go on: the state is as it was, and nothing held is due. */
static varve_status refresh(varve_reader *reader, struct filling *filling, varve_error *error)
{
    struct member member;
    arena_reset(&reader->spare);
    varve_status status = subscription_load_member(reader->store, &reader->subscription, reader->number, 0,
                                                   &reader->spare, &member, &reader->now, error);
    bool due = reader->due != 0 && reader->now >= reader->due;
    if (status < 0 || (reader->passing && !due && member.revision == reader->member.revision)) return status;
    end_pass(reader);
    struct arena before = reader->memory;
    reader->memory = reader->spare;
    reader->spare = before;
    reader->member = member;
    reader->due = 0;
    status = load_definition(reader, error);
    if (status >= 0) status = deliver_all_unparked(reader, filling, error);
    if (status < 0) return status;
    reader->passing = true;
    reader->began = reader->member.position;
    return pass_open(&reader->pass, reader->store, &reader->subscription, reader->number, &reader->member, 0,
                     &reader->memory, error);
}

/*
 * Writes how far nothing is open, where that is worth it or, with `always`, the window has no room for more: what is
 * parked must not fill the window, and who reads without waiting must not begin at the same place each time. Another's
 * write in between is as good.
 */
static void advance(varve_reader *reader, bool always)
{
    struct arena memory = { 0 };
    struct store_write write;
    struct member member = reader->member;
    size_t failed = 0, behind = 0;
    uint64_t position = pass_position(&reader->pass);
    if (position <= member.position) return;
    if (!always && reader->advanced && position - member.position < ADVANCE_AFTER) return;
    member.position = position;
    while (behind < member.settled_count && member.settled[behind] <= position) behind++;
    if (behind > 0) member.settled += behind;
    member.settled_count -= behind;
    varve_status status =
        subscription_put_member(&reader->subscription, reader->number, &member, &memory, &write, NULL);
    if (status >= 0) status = store_records_write(reader->store, &write, 1, &failed, NULL);
    if (status >= 0) {
        reader->advanced = true;
        reader->member = member;
        reader->member.revision = write.record.revision;
        reader->pass.next_settled = 0;
    }
    arena_fini(&memory);
}

varve_status varve_reader_next(varve_reader *reader, varve_subscription_batch *batch, varve_error *error)
{
    *batch = (varve_subscription_batch){ 0 };
    struct filling filling = { .batch = batch, .limit = reader->options.limit };
    varve_status status = hold_member(reader, error);
    if (status >= 0) status = refresh(reader, &filling, error);
    if (status >= 0) status = deliver_window(reader, &filling, error);
    if (status < 0) {
        end_pass(reader);
        varve_subscription_batch_fini(batch);
        return status;
    }
    bool full = status == VARVE_DONE;
    if (full || batch->count == 0) advance(reader, full);
    if (full && reader->member.position > reader->began) { /* there is room for more */
        end_pass(reader);
        status = VARVE_SKIPPED;
    }
    batch->position = reader->member.position;
    batch->lease_until = reader->lease.expires_at;
    if (filling.deliveries == NULL) return status == VARVE_SKIPPED ? VARVE_SKIPPED : VARVE_IDLE;
    qsort(filling.deliveries, batch->count, sizeof *filling.deliveries, compare_deliveries);
    end_pass(reader);
    return VARVE_OK;
}

int varve_reader_fd(varve_reader *reader)
{
    return reader->passing && !reader->pass.full ? varve_cursor_fd(reader->pass.cursor) : -1;
}

uint32_t varve_reader_due_ms(const varve_reader *reader)
{
    uint32_t due_ms = reader->options.lease_ms / 2 + 1;
    if (due_ms > LOOK_MS) due_ms = LOOK_MS;
    if (reader->due == 0) return due_ms;
    varve_time left_ms = (reader->due - reader->now) / 1000 + 1;
    return left_ms < due_ms ? (uint32_t)left_ms : due_ms;
}

varve_status varve_subscription_read(varve_store *store, const varve_subscription_read_options *options,
                                     varve_subscription_batch *batch, varve_error *error)
{
    varve_reader *reader = NULL;
    uint64_t now = clock_ns(), end = now + (uint64_t)options->wait_ms * 1000000u;
    *batch = (varve_subscription_batch){ 0 };
    varve_status status = varve_reader_open(&reader, store, options, error);
    while (status >= 0) {
        status = varve_reader_next(reader, batch, error);
        now = clock_ns();
        if (status == VARVE_SKIPPED && now < end) continue;
        if (status != VARVE_IDLE || now >= end) break;
        struct pollfd pollfd = { .fd = varve_reader_fd(reader), .events = POLLIN };
        uint64_t left_ms = (end - now) / 1000000u + 1, due_ms = varve_reader_due_ms(reader);
        poll(&pollfd, 1, (int)(left_ms < due_ms ? left_ms : due_ms));
    }
    varve_reader_close(reader);
    return status == VARVE_SKIPPED ? VARVE_IDLE : status;
}
