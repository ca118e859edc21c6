/* SPDX-License-Identifier: Apache-2.0 */
#include "command/schemas.h"

#include <stdlib.h>

#include "base/json.h"
#include "event/codec.h"

varve_status schemas_add(struct schemas *set, varve_str type, uint32_t schema_version, const char *file, varve_str text,
                         varve_error *error)
{
    struct schemas_entry entry = { .schema_version = schema_version == 0 ? 1 : schema_version };
    varve_error cause = { 0 };
    varve_status status = event_check_name(type, "the type", &cause);
    if (status < 0) return varve_error_set(error, status, "%s: %s", file, cause.message);
    for (size_t i = 0; i < set->count; i++) {
        if (set->entries[i].schema_version == entry.schema_version && varve_str_eq(set->entries[i].type, type))
            return varve_error_set(error, VARVE_INVALID, "%s: %.*s, schema version %u, has a schema already", file,
                                   (int)type.len, type.ptr, entry.schema_version);
    }
    status = json_schema_open(&entry.schema, file, text, error);
    if (status < 0) return status;
    char *name = strndup(type.ptr, type.len);
    struct schemas_entry *entries = realloc(set->entries, (set->count + 1) * sizeof *entries);
    if (entries != NULL) set->entries = entries;
    if (name == NULL || entries == NULL) {
        free(name);
        json_schema_close(entry.schema);
        return varve_error_set(error, VARVE_NOMEM, "%s: no memory to keep it", file);
    }
    entry.type = varve_str_of(name);
    entries[set->count++] = entry;
    return VARVE_OK;
}

static varve_status check_data(const struct schemas_entry *entry, const varve_event *event, varve_error *error)
{
    varve_error cause = { 0 };
    varve_str data = event->data.len == 0 ? VARVE_STR("{}") : event->data;
    if (!event_is_json(event))
        return varve_error_set(error, VARVE_SCHEMA_MISMATCH, "%s has a schema, so its data must be JSON",
                               entry->type.ptr);
    varve_status status = json_check(data, "the data", &cause);
    if (status >= 0) status = json_schema_check(entry->schema, data, &cause);
    if (status == VARVE_INVALID) status = VARVE_SCHEMA_MISMATCH;
    return status < 0 ? varve_error_set(error, status, "%s: %s", entry->type.ptr, cause.message) : status;
}

varve_status schemas_check(const struct schemas *set, const varve_event *event, varve_error *error)
{
    uint32_t schema_version = event->schema_version == 0 ? 1 : event->schema_version;
    bool known = false;
    for (size_t i = 0; i < set->count; i++) {
        const struct schemas_entry *entry = &set->entries[i];
        if (!varve_str_eq(entry->type, event->type)) continue;
        if (entry->schema_version == schema_version) return check_data(entry, event, error);
        known = true;
    }
    if (!known) return VARVE_OK;
    return varve_error_set(error, VARVE_SCHEMA_MISMATCH, "%.*s has schemas, but none for schema version %u",
                           (int)event->type.len, event->type.ptr, schema_version);
}

void schemas_fini(struct schemas *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free((char *)(uintptr_t)set->entries[i].type.ptr);
        json_schema_close(set->entries[i].schema);
    }
    free(set->entries);
    *set = (struct schemas){ 0 };
}
