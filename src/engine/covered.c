/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/covered.h"

#include <stdlib.h>

#include "store/access.h"

#define SPACE VARVE_STR("schema")

/* What is to be written: a record for each type that has none, and those of other types taken away. */
struct noting {
    const varve_str *types;
    size_t type_count;
    bool *noted; /* of the types */
    struct arena memory;
    struct store_write *writes;
    size_t write_count, capacity;
};

static bool add(struct noting *noting, varve_str type, bool remove)
{
    if (noting->write_count == noting->capacity) {
        size_t capacity = noting->capacity == 0 ? 16 : noting->capacity * 2;
        struct store_write *writes = reallocarray(noting->writes, capacity, sizeof *writes);
        if (writes == NULL) return false;
        noting->writes = writes;
        noting->capacity = capacity;
    }
    struct store_write *write = &noting->writes[noting->write_count++];
    *write = (struct store_write){ .record = { .space = SPACE, .value = VARVE_STR("{}") }, .remove = remove };
    return arena_copy(&noting->memory, type, &write->record.key);
}

static varve_status visit(void *ctx, const struct store_record *record)
{
    struct noting *noting = ctx;
    bool known = false;
    for (size_t i = 0; i < noting->type_count; i++) {
        if (!varve_str_eq(noting->types[i], record->key)) continue;
        noting->noted[i] = known = true;
    }
    return known || add(noting, record->key, true) ? VARVE_OK : VARVE_NOMEM;
}

/* A type stands there once. */
static varve_status add_new(struct noting *noting)
{
    for (size_t i = 0; i < noting->type_count; i++) {
        if (noting->noted[i]) continue;
        for (size_t j = i; j < noting->type_count; j++)
            if (varve_str_eq(noting->types[i], noting->types[j])) noting->noted[j] = true;
        if (!add(noting, noting->types[i], false)) return VARVE_NOMEM;
    }
    return VARVE_OK;
}

varve_status covered_note(varve_store *store, const varve_str *types, size_t count, varve_error *error)
{
    const struct store_record_range range = { .space = SPACE };
    struct noting noting = { .types = types, .type_count = count };
    size_t failed = 0;
    noting.noted = calloc(count + 1, sizeof *noting.noted);
    varve_status status = noting.noted == NULL ? VARVE_NOMEM : VARVE_OK;
    if (status >= 0) status = store_records_list(store, &range, visit, &noting, NULL, error);
    if (status >= 0) status = add_new(&noting);
    if (status == VARVE_NOMEM) varve_error_set(error, status, "no memory to note which types the application checks");
    if (status >= 0 && noting.write_count > 0)
        status = store_records_write(store, noting.writes, noting.write_count, &failed, error);
    free(noting.writes);
    free(noting.noted);
    arena_fini(&noting.memory);
    return status < 0 ? status : VARVE_OK;
}
