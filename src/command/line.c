/* SPDX-License-Identifier: Apache-2.0 */
#include "command/line.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
    FIRST_BUCKETS = 1024,
    JSON_FACTOR = 4, /* a state takes so many times its JSON, about: tables of Lua do */
};

varve_status line_table_init(struct line_table *table, size_t resting_limit, varve_error *error)
{
    *table = (struct line_table){ .bucket_count = FIRST_BUCKETS, .resting_limit = resting_limit };
    table->buckets = calloc(FIRST_BUCKETS, sizeof(void *));
    return table->buckets != NULL ? VARVE_OK : varve_error_set(error, VARVE_NOMEM, "out of memory");
}

static struct line **place_of(const struct line_table *table, uint64_t hash, varve_str stream)
{
    struct line **at = &table->buckets[hash >> 32 & (table->bucket_count - 1)];
    while (*at != NULL) {
        struct line *line = *at;
        if (line->hash == hash && varve_str_eq((varve_str){ line->stream, line->stream_len }, stream)) break;
        at = &line->in_bucket;
    }
    return at;
}

/* Without memory for more buckets they only get fuller. */
static void grow(struct line_table *table)
{
    size_t count = table->bucket_count * 4;
    struct line **buckets = calloc(count, sizeof(void *));
    if (buckets == NULL) return;
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct line *line = table->buckets[i], *next; line != NULL; line = next) {
            struct line **bucket = &buckets[line->hash >> 32 & (count - 1)];
            next = line->in_bucket;
            line->in_bucket = *bucket;
            *bucket = line;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
}

/* ---- resting ---- */

static void wake(struct line_table *table, struct line *line)
{
    *(line->older != NULL ? &line->older->newer : &table->oldest) = line->newer;
    *(line->newer != NULL ? &line->newer->older : &table->newest) = line->older;
    line->older = line->newer = NULL;
    table->resting_bytes -= line->bytes;
    line->bytes = 0;
}

static void dissolve(struct line_table *table, struct line *line)
{
    struct line **at = place_of(table, line->hash, (varve_str){ line->stream, line->stream_len });
    ASSERT(*at == line);
    *at = line->in_bucket;
    table->count--;
    load_fini(&line->load);
    free(line);
}

static void drop_oldest(struct line_table *table)
{
    struct line *oldest = table->oldest;
    ASSERT(oldest->older == NULL);
    wake(table, oldest);
    dissolve(table, oldest);
}

static void lie_down(struct line_table *table, struct line *line, size_t bytes)
{
    line->bytes = bytes;
    line->older = table->newest;
    *(table->newest != NULL ? &table->newest->newer : &table->oldest) = line;
    table->newest = line;
    table->resting_bytes += bytes;
}

void line_table_rest(struct line_table *table, struct line *line)
{
    ASSERT(line->behind.first == NULL && line->ahead.first == NULL && line->again.first == NULL);
    const struct load *load = &line->load;
    const struct load_decider *decider = line->decider;
    if (decider == NULL) {
        dissolve(table, line);
        return;
    }
    size_t bytes =
        sizeof *line + line->stream_len + decider->table->state_size + JSON_FACTOR * load->written + load->added;
    if (load->table == NULL || bytes > table->resting_limit)
        dissolve(table, line); /* it would drive out all the others, and go nevertheless */
    else
        lie_down(table, line, bytes);
    bool is_full = decider->table->worker_is_full != NULL && decider->table->worker_is_full(decider->worker);
    while (table->resting_bytes > (is_full ? 0 : table->resting_limit)) drop_oldest(table);
}

struct line *line_table_get(struct line_table *table, uint64_t hash, varve_str stream)
{
    struct line **at = place_of(table, hash, stream);
    struct line *line = *at;
    if (line != NULL) {
        if (line->bytes > 0) wake(table, line);
        return line;
    }
    line = calloc(1, sizeof *line + stream.len);
    if (line == NULL) return NULL;
    line->hash = hash;
    line->stream_len = stream.len;
    memcpy(line->stream, stream.ptr, stream.len);
    *at = line;
    if (++table->count > table->bucket_count) grow(table);
    return line;
}

void line_table_fini(struct line_table *table)
{
    while (table->oldest != NULL) drop_oldest(table);
    ASSERT(table->count == 0);
    free(table->buckets);
    *table = (struct line_table){ 0 };
}
