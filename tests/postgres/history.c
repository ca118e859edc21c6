/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/postgres/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static size_t bytes_of(size_t size)
{
    return sizeof(struct history) + size * sizeof(struct operation);
}

struct history *history_new(size_t size)
{
    struct history *history = mmap(NULL, bytes_of(size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (history == MAP_FAILED) give_up("a history");
    history->size = size;
    return history;
}

void history_free(struct history *history)
{
    munmap(history, bytes_of(history->size));
}

uint64_t history_digest(uint64_t digest, size_t number)
{
    return (digest ^ (number + 1)) * 0x9e3779b97f4a7c15u + (digest >> 29);
}

/* ---- the truth ---- */

struct truth {
    const struct history *history;
    struct verdict *verdict;
    size_t *numbers[HISTORY_STREAMS]; /* for each version, whose event it is; from 1 */
    uint64_t length[HISTORY_STREAMS];
    uint64_t *positions;       /* for each operation, where its event is; 0: nowhere */
    size_t *by_start, *by_end; /* the operations in these orders */
};

static void found(const struct truth *truth, uint64_t *kind, const char *what, size_t number)
{
    const struct operation *operation = &truth->history->operations[number];
    if (++*kind > 5) return;
    fprintf(stderr,
            "%s: operation %zu of kind %d on hot-%u, expected %" PRIu64 ", told %s and version %" PRIu64
            ", position %" PRIu64 "\n",
            what, number, (int)operation->kind, operation->stream, operation->expected,
            varve_status_word(operation->status), operation->version, operation->position);
}

static void take_event(struct truth *truth, const varve_event *event, uint64_t *head)
{
    int64_t number = -1;
    if (event->position != ++*head) truth->verdict->holes++;
    if (varve_json_int(event->data, "n", &number, NULL) < 0 || (size_t)number >= truth->history->size) {
        truth->verdict->holes++;
        return;
    }
    unsigned stream = truth->history->operations[number].stream;
    if (event->version != ++truth->length[stream]) truth->verdict->holes++;
    if (truth->positions[number] != 0) found(truth, &truth->verdict->order, "it is there twice", (size_t)number);
    truth->numbers[stream][truth->length[stream]] = (size_t)number;
    truth->positions[number] = event->position;
}

static void read_truth(struct truth *truth, varve_store *store)
{
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    varve_error error = { 0 };
    uint64_t head = 0;
    varve_status status = varve_cursor_open(&cursor, store, &(varve_read_options){ 0 }, &error);
    while (status == VARVE_OK && (status = varve_cursor_next(cursor, &event, &error)) == VARVE_OK)
        take_event(truth, event, &head);
    if (status < 0) {
        fprintf(stderr, "reading the log: %s\n", error.message);
        truth->verdict->failed++;
    }
    varve_cursor_close(cursor);
}

static const struct history *sorted; /* qsort has no room for a context */

static int compare_starts(const void *a, const void *b)
{
    uint64_t one = sorted->operations[*(const size_t *)a].start_ns;
    uint64_t other = sorted->operations[*(const size_t *)b].start_ns;
    return (one > other) - (one < other);
}

static int compare_ends(const void *a, const void *b)
{
    uint64_t one = sorted->operations[*(const size_t *)a].end_ns;
    uint64_t other = sorted->operations[*(const size_t *)b].end_ns;
    return (one > other) - (one < other);
}

static void *table(size_t count, size_t size)
{
    void *made = calloc(count, size);
    if (made == NULL) give_up("judging");
    return made;
}

static void truth_init(struct truth *truth, const struct history *history, struct verdict *verdict)
{
    *truth = (struct truth){ .history = history, .verdict = verdict };
    for (int i = 0; i < HISTORY_STREAMS; i++) truth->numbers[i] = table(history->size + 2, sizeof(size_t));
    truth->positions = table(history->size, sizeof(uint64_t));
    truth->by_start = table(history->size, sizeof(size_t));
    truth->by_end = table(history->size, sizeof(size_t));
    for (size_t i = 0; i < history->size; i++) truth->by_start[i] = truth->by_end[i] = i;
    sorted = history;
    qsort(truth->by_start, history->size, sizeof(size_t), compare_starts);
    qsort(truth->by_end, history->size, sizeof(size_t), compare_ends);
}

static void truth_fini(struct truth *truth)
{
    for (int i = 0; i < HISTORY_STREAMS; i++) free(truth->numbers[i]);
    free(truth->positions);
    free(truth->by_start);
    free(truth->by_end);
}

/* ---- each operation ---- */

/* What had been acknowledged before an operation was begun. */
struct before {
    uint64_t position, versions[HISTORY_STREAMS];
};

static void judge_append(const struct truth *truth, size_t number, const struct before *before)
{
    const struct operation *operation = &truth->history->operations[number];
    struct verdict *verdict = truth->verdict;
    uint64_t version = operation->version;
    verdict->appended++;
    if (truth->positions[number] != operation->position || version == 0 || version > truth->length[operation->stream] ||
        truth->numbers[operation->stream][version] != number)
        found(truth, &verdict->order, "it is not where it was told", number);
    if (operation->kind == CONDITIONAL && version != operation->expected + 1)
        found(truth, &verdict->order, "it is not after the version that it expects", number);
    if (operation->position <= before->position || version <= before->versions[operation->stream])
        found(truth, &verdict->order, "it stands before what was there before it", number);
}

/* The version that an operation was told, against what was acknowledged before and what was asked for later. */
static void judge_version(const struct truth *truth, size_t number, const struct before *before)
{
    const struct operation *operation = &truth->history->operations[number];
    uint64_t version = operation->version;
    bool is_there = version <= truth->length[operation->stream];
    if (!is_there || version < before->versions[operation->stream])
        found(truth, &truth->verdict->stale, "what was acknowledged is not in it", number);
    if (!is_there || version == 0) return;
    const struct operation *last = &truth->history->operations[truth->numbers[operation->stream][version]];
    if (last->start_ns > operation->end_ns) found(truth, &truth->verdict->stale, "it knows the future", number);
}

static void judge_conflict(const struct truth *truth, size_t number, const struct before *before)
{
    const struct operation *operation = &truth->history->operations[number];
    truth->verdict->conflicts++;
    if (truth->positions[number] != 0)
        found(truth, &truth->verdict->order, "it is there though it was refused", number);
    if (operation->kind != CONDITIONAL || operation->version <= operation->expected)
        found(truth, &truth->verdict->false_conflicts, "nobody else won", number);
    judge_version(truth, number, before);
}

static void judge_read(const struct truth *truth, size_t number, const struct before *before)
{
    const struct operation *operation = &truth->history->operations[number];
    uint64_t digest = 0;
    truth->verdict->reads++;
    for (uint64_t v = operation->from; v <= operation->version && v <= truth->length[operation->stream]; v++)
        digest = history_digest(digest, truth->numbers[operation->stream][v]);
    if (operation->torn || digest != operation->digest)
        found(truth, &truth->verdict->wrong_reads, "the stream is another there", number);
    judge_version(truth, number, before);
}

static void judge_one(const struct truth *truth, size_t number, const struct before *before)
{
    const struct operation *operation = &truth->history->operations[number];
    if (operation->kind == READ && operation->status == VARVE_OK)
        judge_read(truth, number, before);
    else if (operation->kind != READ && operation->status == VARVE_OK)
        judge_append(truth, number, before);
    else if (operation->kind != READ && operation->status == VARVE_CONFLICT)
        judge_conflict(truth, number, before);
    else
        truth->verdict->failed++;
}

void history_judge(const struct history *history, varve_store *store, struct verdict *verdict)
{
    struct truth truth;
    struct before before = { 0 };
    size_t ended = 0;
    truth_init(&truth, history, verdict);
    read_truth(&truth, store);
    for (size_t i = 0; i < history->size; i++) {
        size_t number = truth.by_start[i];
        uint64_t start = history->operations[number].start_ns;
        for (; ended < history->size && history->operations[truth.by_end[ended]].end_ns < start; ended++) {
            const struct operation *done = &history->operations[truth.by_end[ended]];
            if (done->kind == READ || done->status != VARVE_OK) continue;
            if (done->position > before.position) before.position = done->position;
            if (done->version > before.versions[done->stream]) before.versions[done->stream] = done->version;
        }
        judge_one(&truth, number, &before);
    }
    truth_fini(&truth);
}
