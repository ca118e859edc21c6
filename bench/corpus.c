/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum { STRIDE = 48271, AT_ONCE = 1000, AGGREGATE_ID = sizeof "order-" - 1, DIGITS = 6 };

const char *const corpus_types[CORPUS_TYPES] = { "OrderPlaced", "OrderAmended", "OrderPaid", "OrderShipped" };

/* A step of the SplitMix64 generator, used as a hash (Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators", 2014). */
static uint64_t mix(uint64_t number)
{
    uint64_t z = number + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void corpus_init(struct corpus *corpus, uint64_t streams, uint64_t events)
{
    corpus->streams = streams;
    corpus->events = events;
    for (uint64_t i = 0; i < CORPUS_TEXTS; i++) {
        uint64_t random = mix(i);
        unsigned qty = 1 + (unsigned)(random % 9), price = 100 + (unsigned)(random >> 8) % 9000;
        int len =
            snprintf(corpus->data[i], CORPUS_TEXT_BYTES,
                     "{\"customer_id\":\"c-%05u\",\"total_amount\":%u,\"currency\":\"EUR\",\"items\":["
                     "{\"sku\":\"sku-%04u\",\"qty\":%u,\"price\":%u},{\"sku\":\"sku-%04u\",\"qty\":1,\"price\":995}],"
                     "\"ship_to\":{\"street\":\"%u Quay Street\",\"city\":\"Bergen\",\"country\":\"NO\"},"
                     "\"gift\":false,\"channel\":\"web\"}",
                     (unsigned)(random >> 20) % 20000, qty * price + 995, (unsigned)(random >> 32) % 2000, qty, price,
                     (unsigned)(random >> 40) % 2000, 1 + (unsigned)(random >> 50) % 200);
        corpus->data_bytes[i] = (size_t)len;
    }
}

uint64_t corpus_stream(const struct corpus *corpus, uint64_t number)
{
    ASSERT(corpus->streams > 0);
    return number < corpus->streams ? number * STRIDE % corpus->streams : mix(number) % corpus->streams;
}

size_t corpus_name(uint64_t stream, char name[CORPUS_NAME_BYTES])
{
    memcpy(name, "order-", AGGREGATE_ID);
    for (size_t i = AGGREGATE_ID + DIGITS; i > AGGREGATE_ID; i--, stream /= 10) name[i - 1] = (char)('0' + stream % 10);
    name[AGGREGATE_ID + DIGITS] = '\0';
    return AGGREGATE_ID + DIGITS;
}

uint64_t corpus_number(const char *name)
{
    return strtoull(name + AGGREGATE_ID, NULL, 10);
}

varve_str corpus_data(const struct corpus *corpus, uint64_t number)
{
    size_t text = number % CORPUS_TEXTS;
    return (varve_str){ corpus->data[text], corpus->data_bytes[text] };
}

varve_event corpus_event(const struct corpus *corpus, uint64_t number, char name[CORPUS_NAME_BYTES])
{
    size_t len = corpus_name(corpus_stream(corpus, number), name);
    return (varve_event){
        .stream = { name, len },
        .type = varve_str_of(corpus_types[number % CORPUS_TYPES]),
        .data = corpus_data(corpus, number),
    };
}

varve_status corpus_append(const struct corpus *corpus, varve_store *store, uint64_t count, const char *stream,
                           varve_error *error)
{
    varve_event events[AT_ONCE];
    char names[AT_ONCE][CORPUS_NAME_BYTES];
    varve_status status = VARVE_OK;
    for (uint64_t first = 0; first < count && status >= 0;) {
        varve_append_request request = { .events = events };
        for (; request.event_count < AT_ONCE && first < count; first++) {
            varve_event *event = &events[request.event_count];
            *event = corpus_event(corpus, first, names[request.event_count++]);
            if (stream != NULL) event->stream = varve_str_of(stream);
        }
        status = varve_append(store, &request, NULL, error);
    }
    return status;
}

varve_status corpus_write(const struct corpus *corpus, const char *path, uint64_t count, const char *stream,
                          varve_error *error)
{
    char uri[PLACE_BYTES + 8];
    snprintf(uri, sizeof uri, "sqlite:%s", path);
    const varve_store_options options = { .uri = uri, .durability = VARVE_DURABILITY_RELAXED };
    varve_store *store = NULL;
    varve_status status = varve_store_open(&store, &options, error);
    if (status >= 0) status = corpus_append(corpus, store, count, stream, error);
    varve_store_close(store);
    return status;
}
