/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events that are measured with: orders, about 250 bytes of JSON each, the same in every run.
 * They are numbered from 0; the first `streams` of them are the first of their streams, in no order
 * that a cache would like, the others go to streams that look random.
 */
#ifndef VARVE_BENCH_CORPUS_H
#define VARVE_BENCH_CORPUS_H

#include <varve/read.h>

#include "bench/place.h"

enum { CORPUS_TEXTS = 1024, CORPUS_TEXT_BYTES = 320, CORPUS_NAME_BYTES = 16, CORPUS_TYPES = 4 };

struct corpus {
    uint64_t streams;
    uint64_t events;
    size_t data_bytes[CORPUS_TEXTS];
    char data[CORPUS_TEXTS][CORPUS_TEXT_BYTES];
};

extern const char *const corpus_types[CORPUS_TYPES];

/* `streams` must not be divisible by 48271. */
void corpus_init(struct corpus *corpus, uint64_t streams, uint64_t events);

/* Which stream an event belongs to: 0 … streams - 1. */
uint64_t corpus_stream(const struct corpus *corpus, uint64_t number);
/* "order-000123"; returns its length. */
size_t corpus_name(uint64_t stream, char name[CORPUS_NAME_BYTES]);
/* The number in the name of a stream. */
uint64_t corpus_number(const char *name);
varve_str corpus_data(const struct corpus *corpus, uint64_t number);

/* An event ready to be appended; its views borrow from the corpus and `name`. */
varve_event corpus_event(const struct corpus *corpus, uint64_t number, char name[CORPUS_NAME_BYTES]);

/* Appends `count` events to a store; to `stream` alone when that is not NULL. */
varve_status corpus_append(const struct corpus *corpus, varve_store *store, uint64_t count, const char *stream,
                           varve_error *error);
/* Makes a store at `path` and appends `count` events; to `stream` alone when that is not NULL. */
varve_status corpus_write(const struct corpus *corpus, const char *path, uint64_t count, const char *stream,
                          varve_error *error);

#endif
