/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas by event type and schema version. Filled before anything is appended, only read afterwards. */
#ifndef VARVE_COMMAND_SCHEMAS_H
#define VARVE_COMMAND_SCHEMAS_H

#include "command/json_schema.h"

struct schemas_entry {
    varve_str type; /* terminated; own */
    uint32_t schema_version;
    struct json_schema *schema;
};

/* Starts from {0}; ends with schemas_fini. */
struct schemas {
    struct schemas_entry *entries;
    size_t count;
};

/* As varve_engine_add_schema. */
varve_status schemas_add(struct schemas *set, varve_str type, uint32_t schema_version, const char *file, varve_str text,
                         varve_error *error);

/*
 * Does an event's data fit the schema for its type and schema version (0 means 1)? Where there is none everything does,
 * unless its type has schemas of other versions only: that is VARVE_SCHEMA_MISMATCH too. VARVE_NOMEM. Any thread.
 */
varve_status schemas_check(const struct schemas *set, const varve_event *event, varve_error *error);

void schemas_fini(struct schemas *set);

#endif
