/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Schema, a stated part of draft 2020-12, over JSON that the scanner accepts. Supported are
 *
 *   $schema (of this draft), $id (at the top), $ref (within the file: "#", "#/…"), $defs, $comment
 *   type enum const
 *   multipleOf maximum exclusiveMaximum minimum exclusiveMinimum
 *   maxLength minLength pattern
 *   maxItems minItems uniqueItems prefixItems items contains maxContains minContains
 *   maxProperties minProperties required dependentRequired
 *   properties patternProperties additionalProperties propertyNames dependentSchemas
 *   allOf anyOf oneOf not if then else
 *   title description default examples deprecated readOnly writeOnly, which say nothing about what is valid
 *
 * and every other keyword is refused: none is ever passed over. Patterns are PCRE2's, whose syntax has that of ECMA-262
 * but for details; \d, \w and \s are ASCII.
 */
#ifndef VARVE_COMMAND_JSON_SCHEMA_H
#define VARVE_COMMAND_JSON_SCHEMA_H

#include "base/arena.h"

struct json_schema;

/* Reads a schema (copied). `file` (copied) is what errors call it. VARVE_INVALID says where and what, NOMEM. */
varve_status json_schema_open(struct json_schema **schema, const char *file, varve_str text, varve_error *error);

/*
 * Does `json`, which json_check accepts, fit? Otherwise VARVE_INVALID, which names the value's place (a JSON pointer),
 * the keyword and the file; also when it would take very long to tell. VARVE_NOMEM. Any thread.
 */
varve_status json_schema_check(const struct json_schema *schema, varve_str json, varve_error *error);

/* NULL is allowed. */
void json_schema_close(struct json_schema *schema);

#endif
