/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"

/*
 * The random half of an id is a keyed hash (SipHash) of its time and counter, which are never used
 * twice: as unpredictable as the key, without a system call, a pool or a lock. A forked child makes
 * itself a new key, because it may repeat its parent's times. Key and clock are the process's own,
 * as ids must increase in the whole process.
 */
static struct {
    uint64_t key[2];
    atomic_uint_fast64_t last; /* 48 bits of milliseconds, 12 bits of counter */
} source;

static pthread_once_t source_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    ssize_t got;

    do {
        got = getrandom(source.key, sizeof(source.key), 0);
    } while (got < 0 && errno == EINTR);
    ASSERT(got == (ssize_t)sizeof(source.key));
}

static void source_init(void)
{
    make_key();
    ASSERT(pthread_atfork(NULL, NULL, make_key) == 0);
}

static uint64_t rotate(uint64_t bits, unsigned by)
{
    return bits << by | bits >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of the eight bytes of `message`. */
static uint64_t sip_hash(const uint64_t key[2], uint64_t message)
{
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                      key[1] ^ 0x7465646279746573u };
    const uint64_t words[2] = { message, (uint64_t)sizeof(message) << 56 };

    for (int i = 0; i < 2; i++) {
        v[3] ^= words[i];
        sip_round(v);
        sip_round(v);
        v[0] ^= words[i];
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void put_bytes(uint8_t *to, uint64_t number, int count)
{
    for (int i = count - 1; i >= 0; i--, number >>= 8) to[i] = (uint8_t)number;
}

/* Lays out a UUIDv7: 48 bits of time, 12 bits behind the version, 62 bits behind the variant. */
static varve_uuid compose(uint64_t ms, uint64_t counter, uint64_t tail)
{
    varve_uuid id = { { 0 } };

    put_bytes(id.bytes, ms, 6);
    put_bytes(id.bytes + 6, 0x7000 | (counter & 0xfff), 2);
    put_bytes(id.bytes + 8, (tail & 0x3fffffffffffffffu) | 0x8000000000000000u, 8);
    return id;
}

/*
 * RFC 9562, section 6.2, method 1: a counter of 12 bits, zero in each new millisecond. When it is
 * full, or the clock stands or goes back, it carries into the milliseconds, which then run ahead.
 */
varve_uuid varve_uuid_new(void)
{
    struct timespec now = { 0 };
    uint64_t earliest, last, next;

    pthread_once(&source_once, source_init);
    clock_gettime(CLOCK_REALTIME, &now);
    earliest = ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) << 12;
    last = atomic_load_explicit(&source.last, memory_order_relaxed);
    do {
        next = earliest > last ? earliest : last + 1;
    } while (
        !atomic_compare_exchange_weak_explicit(&source.last, &last, next, memory_order_relaxed, memory_order_relaxed));
    return compose(next >> 12, next, sip_hash(source.key, next));
}

static uint64_t read_word(const uint8_t *from)
{
    uint64_t word = 0;

    for (int i = 0; i < 8; i++) word = word << 8 | from[i];
    return word;
}

varve_uuid id_derive(varve_uuid parent, uint32_t ordinal)
{
    const uint64_t key[2] = { read_word(parent.bytes), read_word(parent.bytes + 8) };
    uint64_t counter = sip_hash(key, (uint64_t)ordinal << 1);
    uint64_t tail = sip_hash(key, (uint64_t)ordinal << 1 | 1);

    return compose(key[0] >> 16, counter, tail);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* In the text form a '-' stands before these bytes. */
static bool dash_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static bool parse(varve_uuid *id, varve_str text)
{
    const char *at = text.ptr;

    if (text.len != VARVE_UUID_TEXT_BYTES - 1) return false;
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        int high, low;

        if (dash_before(i) && *at++ != '-') return false;
        high = hex_digit(*at++);
        low = hex_digit(*at++);
        if (high < 0 || low < 0) return false;
        id->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

varve_status varve_uuid_parse(varve_uuid *id, varve_str text, varve_error *error)
{
    varve_uuid read = { { 0 } };

    *id = read;
    if (!parse(&read, text))
        return varve_error_set(error, VARVE_INVALID, "\"%.*s\" is not a UUID", (int)(text.len > 64 ? 64 : text.len),
                               text.len > 0 ? text.ptr : "");
    if (varve_uuid_is_nil(read)) return varve_error_set(error, VARVE_INVALID, "the nil UUID identifies nothing");
    *id = read;
    return VARVE_OK;
}

void varve_uuid_format(varve_uuid id, char text[VARVE_UUID_TEXT_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    char *at = text;

    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        if (dash_before(i)) *at++ = '-';
        *at++ = hex[id.bytes[i] >> 4];
        *at++ = hex[id.bytes[i] & 15];
    }
    *at = '\0';
}

bool varve_uuid_is_nil(varve_uuid id)
{
    static const varve_uuid nil;

    return memcmp(&id, &nil, sizeof(id)) == 0;
}
