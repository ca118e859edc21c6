/* SPDX-License-Identifier: Apache-2.0 */
/* A schema taken apart: what json_schema.c makes of its text and schema_check.c holds values against. */
#ifndef VARVE_COMMAND_SCHEMA_RULES_H
#define VARVE_COMMAND_SCHEMA_RULES_H

#include "command/json_schema.h"
#include "command/schema_pattern.h"
#include "command/schema_value.h"

#define SCHEMA_STEPS_MAX 5000000 /* of one check: a fraction of a second */

struct check;
struct keyword;
struct rules;

/* Where a value is, for messages. */
struct place {
    const struct place *around; /* NULL: the whole document */
    varve_str name;             /* of a member … */
    size_t index;               /* … or, without a name, of an element */
};

/* One keyword of a schema with its value; which of the fields mean something is the keyword's (json_schema.c). */
struct rule {
    const struct keyword *keyword;
    const struct tree_node *value;
    struct rules **schemas; /* as many as the value has children, or one */
    size_t schema_count;
    struct schema_pattern **patterns; /* of patternProperties, in order; of pattern, one */
    struct schema_number number;
    unsigned types; /* bits */
    struct rule *next;
};

/* A schema within the file. */
struct rules {
    const struct tree_node *node;
    varve_str pointer;  /* where in the file: "/properties/a" */
    bool never;         /* the schema false */
    struct rule *first; /* the schema true has none */
    struct rules *next; /* of the file */
    enum { RULES_UNSEEN, RULES_ON_THE_WAY, RULES_SEEN } walked;
};

/* Does the value fit this rule? Otherwise it says so (check_fail). */
typedef bool (*holds)(struct check *check, const struct rules *rules, const struct rule *rule,
                      const struct tree_node *value, const struct place *place);

/* What shape a keyword's own value must have. */
enum shape {
    SHAPE_ANY,      /* of annotations too */
    SHAPE_SCHEMA,   /* one schema */
    SHAPE_SCHEMAS,  /* an array of schemas, not empty */
    SHAPE_MAP,      /* an object of schemas */
    SHAPE_PATTERNS, /* the same, by pattern */
    SHAPE_NUMBER,
    SHAPE_POSITIVE, /* a number above 0 */
    SHAPE_COUNT,    /* an integer from 0 */
    SHAPE_BOOLEAN,
    SHAPE_TEXT,
    SHAPE_PATTERN,
    SHAPE_NAMES,     /* an array of texts, each once */
    SHAPE_NAMES_MAP, /* an object of such */
    SHAPE_LIST,      /* an array */
    SHAPE_TYPES,     /* a type's name, or an array of them */
    SHAPE_REF,
    SHAPE_DRAFT, /* the URI of draft 2020-12 */
    SHAPE_ID,    /* only at the top */
};

struct keyword {
    const char *name;
    enum shape shape;
    bool in_place; /* its schemas are for the same value */
    holds holds;   /* NULL: it says nothing by itself */
};

struct json_schema {
    struct arena memory;
    const char *file;
    varve_str text;
    struct tree_node root;
    struct rules *rules; /* of the whole file */
    struct rules *all;
};

enum {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64
};

/* The bit of a type's name; 0: there is no such type. */
unsigned rules_type(varve_str name);
/* The keyword of that name, or NULL: by schema_check.c, which has the table. */
const struct keyword *rules_keyword(varve_str name);
/* The rule of that keyword in a schema, or NULL. */
const struct rule *rules_find(const struct rules *rules, const char *keyword);

#endif
