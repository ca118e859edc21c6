/* SPDX-License-Identifier: Apache-2.0 */
#include "server/shaped.h"

#include <stdlib.h>

void shapes_pool_init(struct shapes_pool *pool, varve_engine *engine)
{
    pool->engine = engine;
    pthread_mutex_init(&pool->lock, NULL);
}

void shapes_pool_fini(struct shapes_pool *pool)
{
    while (pool->count > 0) varve_shapes_close(pool->idle[--pool->count]);
    pthread_mutex_destroy(&pool->lock);
}

static varve_status borrow(struct shaped *shaped, varve_error *error)
{
    struct shapes_pool *pool = shaped->pool;
    if (shaped->shapes != NULL) return VARVE_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->count > 0) shaped->shapes = pool->idle[--pool->count];
    pthread_mutex_unlock(&pool->lock);
    return shaped->shapes != NULL ? VARVE_OK : varve_shapes_open(&shaped->shapes, pool->engine, error);
}

void shaped_rest(struct shaped *shaped)
{
    struct shapes_pool *pool = shaped->pool;
    if (shaped->shapes == NULL) return;
    pthread_mutex_lock(&pool->lock);
    if (pool->count < SHAPES_IDLE_MAX) {
        pool->idle[pool->count++] = shaped->shapes;
        shaped->shapes = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    varve_shapes_close(shaped->shapes);
    shaped->shapes = NULL;
}

varve_status shaped_init(struct shaped *shaped, struct shapes_pool *pool, varve_str wanted, varve_error *error)
{
    if (wanted.len == 0 || varve_str_is(wanted, "stored")) return VARVE_OK;
    if (varve_str_is(wanted, "current")) {
        shaped->pool = pool;
        return borrow(shaped, error);
    }
    return varve_error_set(error, VARVE_INVALID, "'shapes' is stored or current");
}

varve_status shaped_read(struct shaped *shaped, struct shapes_pool *pool, const struct target *target,
                         varve_read_options *options, varve_error *error)
{
    const varve_query_param *param = target_param(target, "shapes");
    if (param == NULL) return VARVE_OK;
    varve_status status = shaped_init(shaped, pool, param->value, error);
    if (status < 0 || shaped->pool == NULL || options->type_count == 0) return status;
    shaped->types = options->types;
    shaped->type_count = options->type_count;
    return varve_shapes_types(shaped->shapes, shaped->types, shaped->type_count, &options->types, &options->type_count,
                              error);
}

static bool is_wanted(const struct shaped *shaped, const varve_event *event)
{
    for (size_t i = 0; i < shaped->type_count; i++)
        if (varve_str_eq(shaped->types[i], event->type)) return true;
    return shaped->type_count == 0;
}

varve_status shaped_event(struct shaped *shaped, const varve_event *event, const varve_event **events, size_t *count,
                          varve_error *error)
{
    *events = event;
    *count = 1;
    if (shaped->pool == NULL) return VARVE_OK;
    varve_status status = borrow(shaped, error);
    if (status >= 0) status = varve_shapes_of(shaped->shapes, event, events, count, error);
    if (status < 0 || shaped->type_count == 0) return status;
    if (*count > shaped->capacity) {
        varve_event *kept = realloc(shaped->kept, *count * sizeof *kept);
        if (kept == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
        shaped->kept = kept;
        shaped->capacity = *count;
    }
    size_t all = *count;
    *count = 0;
    for (size_t i = 0; i < all; i++)
        if (is_wanted(shaped, &(*events)[i])) shaped->kept[(*count)++] = (*events)[i];
    *events = shaped->kept;
    return VARVE_OK;
}

void shaped_fini(struct shaped *shaped)
{
    shaped_rest(shaped);
    free(shaped->kept);
    *shaped = (struct shaped){ 0 };
}
