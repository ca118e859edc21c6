/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Schema for events: what their data must look like to be appended. A stated part of draft 2020-12, see
 * docs/events.md; a schema that uses anything else is refused, so that nothing in it is silently passed over.
 */
#ifndef VARVE_SCHEMA_H
#define VARVE_SCHEMA_H

#include <varve/event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_engine varve_engine;

/*
 * Registers a schema (copied) for events of a type and schema version (0 means 1), before varve_engine_start and before
 * anything is appended. `file` is what errors call it. From then on whatever is appended to the engine's store, by
 * commands or by varve_append, must fit, or it is refused with the event, the place in its data and the keyword:
 * VARVE_SCHEMA_MISMATCH; from a decider, whose mistake it is, VARVE_APPLICATION. Of a type that has schemas every
 * schema version needs one. What is in the log already is not looked at; whoever opens the store without this engine
 * knows nothing of schemas. VARVE_INVALID: it is no schema, uses a keyword that is not supported, or there is one for
 * the shape already.
 */
VARVE_API varve_status varve_engine_add_schema(varve_engine *engine, varve_str type, uint32_t schema_version,
                                               const char *file, varve_str text, varve_error *error);

/* The same, where there is no engine to add them to (varve/trial.h). */
typedef struct varve_schema_item {
    varve_str type;
    uint32_t schema_version;
    const char *file;
    varve_str text;
} varve_schema_item;

#ifdef __cplusplus
}
#endif
#endif
