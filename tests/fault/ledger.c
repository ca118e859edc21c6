/* SPDX-License-Identifier: Apache-2.0 */
/* Asking and remembering; ledger_check.c compares. */
#include "tests/fault/ledger.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const types[] = { "Opened", "Paid", "Refunded", "Closed" };

void ledger_init(struct ledger *ledger, struct disk *disk)
{
    pthread_mutex_init(&ledger->mutex, NULL);
    pthread_cond_init(&ledger->all_answered, NULL);
    ledger->disk = disk;
    ledger_reset(ledger);
}

void ledger_fini(struct ledger *ledger)
{
    pthread_cond_destroy(&ledger->all_answered);
    pthread_mutex_destroy(&ledger->mutex);
}

void ledger_reset(struct ledger *ledger)
{
    memset(ledger->promises, 0, ledger->count * sizeof ledger->promises[0]);
    ledger->count = ledger->unanswered = 0;
}

/* ---- the events ---- */

size_t ledger_event_count(size_t append)
{
    return 1 + append % LEDGER_EVENTS;
}

bool ledger_must_conflict(size_t append)
{
    return append % 11 == 7;
}

static varve_uuid id_of(size_t append, size_t place)
{
    varve_uuid id = { { 0x01, 0x8f, 0, 0, 0, 0, 0x70, 0, 0x80 } };
    id.bytes[12] = (uint8_t)(append >> 8);
    id.bytes[13] = (uint8_t)append;
    id.bytes[15] = (uint8_t)place;
    return id;
}

void ledger_event_make(size_t append, size_t place, struct ledger_event *event)
{
    size_t which = append * 7 + place / 2; /* the first two on one stream, the third on another */
    size_t padding = append % 13 == 5 ? 5000 : append % 5 * 40;
    snprintf(event->stream, sizeof event->stream, "%s-%zu", which % 2 == 0 ? "account" : "card",
             which % LEDGER_STREAMS);
    snprintf(event->correlation, sizeof event->correlation, "{\"correlation_id\":\"c-%zu\"}", append % 6);
    size_t len = (size_t)snprintf(event->text, sizeof event->text, "{\"append\":%zu,\"place\":%zu,\"padding\":\"",
                                  append, place);
    memset(event->text + len, 'p', padding);
    memcpy(event->text + len + padding, "\"}", 2);
    event->tags[0] = VARVE_STR("red");
    event->tags[1] = VARVE_STR("blue");
    event->event = (varve_event){
        .stream = varve_str_of(event->stream),
        .type = varve_str_of(types[(append + place) % 4]),
        .data = { event->text, len + padding + 2 },
        .metadata = varve_str_of(event->correlation),
        .content_type = append % 9 == 4 ? VARVE_STR("text/plain") : VARVE_STR("application/json"),
        .tags = event->tags,
        .tag_count = append % 3,
        .id = id_of(append, place),
        .schema_version = 1 + (uint32_t)append % 3,
        .occurred_at = 1700000000000000 + (varve_time)append,
    };
}

/* ---- asking ---- */

static void take_answer(void *ctx, varve_status status, const varve_appended *appended, const varve_error *error)
{
    struct ledger *ledger = ctx;
    const uint8_t *id = appended->ids[0].bytes;
    struct promise *promise = &ledger->promises[(size_t)id[12] << 8 | id[13]];
    size_t now = ledger->disk == NULL ? 0 : disk_operations(ledger->disk);
    pthread_mutex_lock(&ledger->mutex);
    promise->answered = true;
    promise->status = status;
    promise->flags = error->flags;
    promise->first_position = appended->first_position;
    promise->answered_at = now;
    if (--ledger->unanswered == 0) pthread_cond_broadcast(&ledger->all_answered);
    pthread_mutex_unlock(&ledger->mutex);
}

static void ask(struct ledger *ledger, varve_store *store, size_t append)
{
    struct promise *promise = &ledger->promises[append];
    struct ledger_event made[LEDGER_EVENTS];
    varve_event events[LEDGER_EVENTS] = { 0 };
    for (size_t i = 0; i < ledger_event_count(append); i++) {
        ledger_event_make(append, i, &made[i]);
        events[i] = made[i].event;
    }
    const varve_condition condition = { .kind = VARVE_STREAM_AT, .stream = events[0].stream, .version = 1000000 };
    const varve_append_request request = {
        .events = events,
        .event_count = ledger_event_count(append),
        .conditions = &condition,
        .condition_count = ledger_must_conflict(append),
    };
    varve_error error = { 0 };
    pthread_mutex_lock(&ledger->mutex);
    *promise = (struct promise){ .queued = true };
    ledger->unanswered++;
    pthread_mutex_unlock(&ledger->mutex);
    varve_status status = varve_append_async(store, &request, take_answer, ledger, &error);
    if (status >= 0) return;
    pthread_mutex_lock(&ledger->mutex);
    *promise = (struct promise){ .answered = true, .status = status, .flags = error.flags };
    ledger->unanswered--;
    pthread_mutex_unlock(&ledger->mutex);
}

void ledger_append_async(struct ledger *ledger, varve_store *store)
{
    if (ledger->count == LEDGER_APPENDS) abort();
    ask(ledger, store, ledger->count++);
}

void ledger_wait(struct ledger *ledger)
{
    pthread_mutex_lock(&ledger->mutex);
    while (ledger->unanswered > 0) pthread_cond_wait(&ledger->all_answered, &ledger->mutex);
    pthread_mutex_unlock(&ledger->mutex);
}

varve_status ledger_append(struct ledger *ledger, varve_store *store)
{
    ledger_append_async(ledger, store);
    ledger_wait(ledger);
    return ledger->promises[ledger->count - 1].status;
}

varve_status ledger_repeat(struct ledger *ledger, varve_store *store, size_t append)
{
    ask(ledger, store, append);
    ledger_wait(ledger);
    return ledger->promises[append].status;
}
