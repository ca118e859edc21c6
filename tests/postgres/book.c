/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/postgres/book.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static size_t book_bytes(size_t size)
{
    return sizeof(struct book) + size * sizeof(struct entry);
}

struct book *book_new(size_t size)
{
    struct book *book = mmap(NULL, book_bytes(size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (book == MAP_FAILED) give_up("a book", "no memory");
    book->size = size;
    return book;
}

void book_free(struct book *book)
{
    munmap(book, book_bytes(book->size));
}

static void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

void book_await(const _Atomic size_t *counter, size_t least, const char *what)
{
    uint64_t end = clock_ns() + 60000000000ull;
    while (atomic_load(counter) < least) {
        if (clock_ns() > end) give_up(what, "nothing happens");
        nap();
    }
}

/* ---- asking ---- */

static void note(struct book *book, struct entry *entry, varve_status status, const varve_appended *appended)
{
    if (status == VARVE_OK || status == VARVE_REPEATED) {
        entry->position = appended->last_position;
        entry->version = appended->streams[0].version;
        atomic_store(&entry->answer, ACKED);
        atomic_fetch_add(&book->acked, 1);
    } else if (status == VARVE_INDETERMINATE) {
        atomic_store(&entry->answer, UNKNOWN);
        atomic_fetch_add(&book->unknown, 1);
    } else {
        atomic_store(&entry->answer, REFUSED);
    }
}

/* Asks for the entry's events, with its ids, which become the answer's. */
static varve_status ask(struct book *book, varve_store *store, size_t number, const varve_condition *condition,
                        varve_error *error)
{
    struct entry *entry = &book->entries[number];
    varve_event events[BOOK_EVENTS];
    char stream[32], data[48];
    varve_appended appended = { 0 };
    snprintf(stream, sizeof stream, "hot-%u", entry->stream);
    snprintf(data, sizeof data, "{\"n\":%zu}", number);
    for (unsigned i = 0; i < entry->events; i++)
        events[i] = (varve_event){ .stream = varve_str_of(stream),
                                   .type = VARVE_STR("Counted"),
                                   .data = varve_str_of(data),
                                   .id = entry->ids[i] };
    const varve_append_request request = { .events = events,
                                           .event_count = entry->events,
                                           .conditions = condition,
                                           .condition_count = condition == NULL ? 0 : 1 };
    varve_status status = varve_append(store, &request, &appended, error);
    for (unsigned i = 0; i < appended.id_count; i++) entry->ids[i] = appended.ids[i];
    note(book, entry, status, &appended);
    varve_appended_fini(&appended);
    return status;
}

varve_status book_append(struct book *book, varve_store *store, struct manner *manner, varve_error *error)
{
    size_t number = atomic_fetch_add(&book->count, 1);
    varve_condition condition = { .kind = VARVE_STREAM_AT };
    char stream[32];
    if (number >= book->size) {
        atomic_fetch_sub(&book->count, 1);
        return varve_error_set(error, VARVE_DONE, "the book is full");
    }
    struct entry *entry = &book->entries[number];
    entry->stream = manner->one_stream ? 0 : (unsigned)rand_r(&manner->seed) % BOOK_STREAMS;
    entry->events = 1 + (unsigned)rand_r(&manner->seed) % BOOK_EVENTS;
    atomic_store(&entry->answer, ASKED);
    snprintf(stream, sizeof stream, "hot-%u", entry->stream);
    condition.stream = varve_str_of(stream);
    bool expects =
        manner->on_version && varve_stream_get_version(store, condition.stream, &condition.version, NULL) >= 0;
    for (unsigned i = 0; i < entry->events && manner->own_ids; i++) entry->ids[i] = varve_uuid_new();
    varve_status status = ask(book, store, number, expects ? &condition : NULL, error);
    while (status != VARVE_OK && status != VARVE_REPEATED && manner->persist &&
           atomic_load(&entry->answer) == UNKNOWN) {
        status = ask(book, store, number, expects ? &condition : NULL, error);
        /* What could not be asked says nothing about what was asked before. */
        if (status == VARVE_UNAVAILABLE || status == VARVE_BUSY) atomic_store(&entry->answer, UNKNOWN);
    }
    return status;
}

varve_status book_repeat(struct book *book, varve_store *store, varve_error *error)
{
    return ask(book, store, atomic_load(&book->count) - 1, NULL, error);
}

void book_append_many(struct book *book, varve_store *store, struct manner *manner)
{
    while (!atomic_load(&book->stop)) {
        varve_error error = { 0 };
        varve_status status = book_append(book, store, manner, &error);
        manner->own_ids = !manner->own_ids;
        if (status == VARVE_DONE) return;
        if (status >= 0 || status == VARVE_CONFLICT || status == VARVE_INDETERMINATE) continue;
        if (status != VARVE_UNAVAILABLE && status != VARVE_BUSY) {
            fprintf(stderr, "an append was answered %s: %s\n", varve_status_word(status), error.message);
            atomic_fetch_add(&book->failed, 1);
            return;
        }
        nap();
    }
}

static void print_line(void *ctx, varve_log_level level, const char *line)
{
    (void)ctx;
    if (level >= VARVE_LOG_ERROR || getenv("VARVE_TEST_TALK") != NULL) fprintf(stderr, "varve: %s\n", line);
}

varve_store *book_open(const char *uri, bool read_only)
{
    varve_store *store = NULL;
    varve_error error = { 0 };
    const varve_store_options options = { .uri = uri, .read_only = read_only, .log = print_line };
    if (varve_store_open(&store, &options, &error) < 0) give_up(uri, error.message);
    return store;
}

struct client {
    pthread_t thread;
    struct book *book;
    varve_store *store;
    struct manner manner;
};

static void *run_client(void *argument)
{
    struct client *client = argument;
    book_append_many(client->book, client->store, &client->manner);
    return NULL;
}

int book_work(struct book *book, const char *uri, unsigned threads, const struct manner *manner)
{
    struct client clients[32];
    varve_store *store = book_open(uri, false);
    for (unsigned i = 0; i < threads; i++) {
        clients[i] = (struct client){ .book = book, .store = store, .manner = *manner };
        clients[i].manner.seed += i;
        clients[i].manner.on_version = i % 2 == 1;
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0) give_up("a client", "no thread");
    }
    for (unsigned i = 0; i < threads; i++) pthread_join(clients[i].thread, NULL);
    varve_store_close(store);
    return atomic_load(&book->failed) != 0;
}

/* ---- judging ---- */

size_t book_number(const varve_event *event)
{
    int64_t number = -1;
    return varve_json_int(event->data, "n", &number, NULL) < 0 ? SIZE_MAX : (size_t)number;
}

static void found(uint64_t *kind, const char *what, size_t number, const struct entry *entry, uint64_t position)
{
    if (++*kind > 5) return;
    fprintf(stderr, "%s: append %zu of %u events to hot-%u, position %" PRIu64 ", answered %" PRIu64 "\n", what, number,
            entry->events, entry->stream, position, entry->position);
}

struct comparison {
    struct findings *findings;
    uint64_t versions[BOOK_STREAMS];
    uint64_t *last; /* for each append, the position of its last event */
    unsigned *seen; /* and how many of its events were there */
};

static void take_event(struct book *book, struct comparison *comparison, const varve_event *event)
{
    static const struct entry nobody;
    struct findings *findings = comparison->findings;
    size_t number = book_number(event), count = atomic_load(&book->count);
    if (event->position != ++findings->events)
        found(&findings->holes, "positions have a hole", number, &nobody, event->position);
    if (number >= count || number >= book->size) {
        found(&findings->unasked, "nobody asked for it", number, &nobody, event->position);
        return;
    }
    const struct entry *entry = &book->entries[number];
    if (event->version != ++comparison->versions[entry->stream])
        found(&findings->holes, "versions have a hole", number, entry, event->position);
    if (comparison->seen[number] > 0 && comparison->last[number] + 1 != event->position)
        found(&findings->holes, "it is torn", number, entry, event->position);
    if (++comparison->seen[number] > entry->events)
        found(&findings->duplicated, "it is there twice", number, entry, event->position);
    comparison->last[number] = event->position;
    if (comparison->seen[number] == entry->events && atomic_load(&entry->answer) == ACKED &&
        (event->position != entry->position || event->version != entry->version))
        found(&findings->moved, "it is elsewhere", number, entry, event->position);
}

static void compare_answers(struct book *book, struct comparison *comparison)
{
    struct findings *findings = comparison->findings;
    size_t count = atomic_load(&book->count);
    for (size_t i = 0; i < count && i < book->size; i++) {
        const struct entry *entry = &book->entries[i];
        int answer = atomic_load(&entry->answer);
        if (answer == ACKED && comparison->seen[i] == 0) found(&findings->lost, "it is lost", i, entry, 0);
        if (comparison->seen[i] > 0 && comparison->seen[i] < entry->events)
            found(&findings->holes, "half of it is lost", i, entry, comparison->last[i]);
        if (answer == REFUSED && comparison->seen[i] > 0)
            found(&findings->unasked, "it was refused", i, entry, comparison->last[i]);
    }
}

void book_judge(struct book *book, varve_store *store, struct findings *findings)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    struct comparison comparison = { .findings = findings,
                                     .last = calloc(book->size, sizeof(uint64_t)),
                                     .seen = calloc(book->size, sizeof(unsigned)) };
    *findings = (struct findings){ 0 };
    if (comparison.last == NULL || comparison.seen == NULL) give_up("judging", "no memory");
    varve_status status = varve_cursor_open(&cursor, store, &(varve_read_options){ 0 }, &error);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &event, &error)) == VARVE_OK)
        take_event(book, &comparison, event);
    if (status < 0) {
        fprintf(stderr, "reading the log: %s\n", error.message);
        findings->errors++;
    }
    varve_cursor_close(cursor);
    compare_answers(book, &comparison);
    free(comparison.last);
    free(comparison.seen);
}

bool findings_are_good(const struct findings *findings)
{
    return findings->lost + findings->moved + findings->duplicated + findings->holes + findings->unasked +
               findings->errors ==
           0;
}
