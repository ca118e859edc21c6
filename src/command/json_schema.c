/* SPDX-License-Identifier: Apache-2.0 */
#include "command/json_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "command/schema_rules.h"

#define DRAFT "https://json-schema.org/draft/2020-12/schema"

/* A file being read. */
struct reading {
    struct json_schema *schema;
    varve_error *error;
};

static varve_status no_memory(const struct reading *reading)
{
    return varve_error_set(reading->error, VARVE_NOMEM, "%s: no memory to read it", reading->schema->file);
}

/* "FILE#/pointer: problem". */
static varve_status VARVE_PRINTF(3, 4) refuse(const struct reading *reading, varve_str pointer, const char *format, ...)
{
    char problem[200];
    va_list args;
    va_start(args, format);
    vsnprintf(problem, sizeof problem, format, args);
    va_end(args);
    return varve_error_set(reading->error, VARVE_INVALID, "%s%s%.*s: %s", reading->schema->file,
                           pointer.len == 0 ? "" : "#", (int)pointer.len, pointer.ptr, problem);
}

/* `pointer` with one more step. False when memory is out. */
static bool extend(const struct reading *reading, varve_str pointer, varve_str step, varve_str *extended)
{
    varve_buf text = { 0 };
    varve_buf_str(&text, pointer);
    varve_buf_str(&text, VARVE_STR("/"));
    for (size_t i = 0; i < step.len; i++) {
        if (step.ptr[i] == '~' || step.ptr[i] == '/')
            varve_buf_str(&text, step.ptr[i] == '~' ? VARVE_STR("~0") : VARVE_STR("~1"));
        else
            varve_buf_add(&text, &step.ptr[i], 1);
    }
    bool copied = !text.failed && arena_copy(&reading->schema->memory, varve_buf_view(&text), extended);
    varve_buf_fini(&text);
    return copied;
}

static bool extend_index(const struct reading *reading, varve_str pointer, size_t index, varve_str *extended)
{
    char step[24];
    snprintf(step, sizeof step, "%zu", index);
    return extend(reading, pointer, varve_str_of(step), extended);
}

/* ---- a keyword's value ---- */

unsigned rules_type(varve_str name)
{
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {
        { "null", TYPE_NULL },     { "boolean", TYPE_BOOLEAN }, { "integer", TYPE_INTEGER }, { "number", TYPE_NUMBER },
        { "string", TYPE_STRING }, { "array", TYPE_ARRAY },     { "object", TYPE_OBJECT },
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (varve_str_is(name, types[i].name)) return types[i].bits;
    return 0;
}

static varve_status read_rules(const struct reading *reading, const struct tree_node *node, varve_str pointer,
                               struct rules **rules);

/* The value's children are schemas, or with `one` the value itself is. */
static varve_status read_schemas(const struct reading *reading, struct rule *rule, varve_str pointer, bool one)
{
    size_t count = one ? 1 : rule->value->count;
    varve_status status = VARVE_OK;
    rule->schemas = arena_array(&reading->schema->memory, count + 1, sizeof(struct rules *));
    if (rule->schemas == NULL) return no_memory(reading);
    for (size_t i = 0; i < count && status >= 0; i++) {
        const struct tree_node *child = one ? rule->value : &rule->value->children[i];
        varve_str place = pointer;
        bool extended = one || (rule->value->kind == TREE_OBJECT ? extend(reading, pointer, child->name, &place)
                                                                 : extend_index(reading, pointer, i, &place));
        status = extended ? read_rules(reading, child, place, &rule->schemas[i]) : no_memory(reading);
    }
    rule->schema_count = count;
    return status;
}

static varve_status read_pattern(const struct reading *reading, varve_str pointer, varve_str text,
                                 struct schema_pattern **pattern)
{
    varve_error cause = { 0 };
    varve_status status = schema_pattern_open(pattern, text, &cause);
    if (status == VARVE_INVALID) return refuse(reading, pointer, "%s", cause.message);
    return status < 0 ? no_memory(reading) : VARVE_OK;
}

static varve_status read_patterns(const struct reading *reading, struct rule *rule, varve_str pointer)
{
    bool one = value_kind(rule->value) == VALUE_STRING;
    size_t count = one ? 1 : rule->value->count;
    varve_buf scratch = { 0 };
    varve_status status = VARVE_OK;
    rule->patterns = arena_array(&reading->schema->memory, count + 1, sizeof(struct schema_pattern *));
    if (rule->patterns == NULL) return no_memory(reading);
    for (size_t i = 0; i < count && status >= 0; i++) {
        varve_str text = { NULL, 0 };
        if (!one)
            text = rule->value->children[i].name;
        else if (!value_text(rule->value, &scratch, &text))
            status = no_memory(reading);
        if (status >= 0) status = read_pattern(reading, pointer, text, &rule->patterns[i]);
    }
    varve_buf_fini(&scratch);
    return status;
}

static bool are_names(const struct tree_node *value)
{
    int64_t steps = SCHEMA_STEPS_MAX;
    if (value->kind != TREE_ARRAY) return false;
    for (size_t i = 0; i < value->count; i++)
        if (value_kind(&value->children[i]) != VALUE_STRING) return false;
    return value_all_different(value, &steps) == VARVE_OK;
}

static bool are_all_names(const struct tree_node *value)
{
    if (value->kind != TREE_OBJECT) return false;
    for (size_t i = 0; i < value->count; i++)
        if (!are_names(&value->children[i])) return false;
    return true;
}

static bool add_type(const struct tree_node *name, unsigned *types)
{
    varve_str text = { name->text.ptr + 1, name->text.len - 2 };
    unsigned bit = value_kind(name) == VALUE_STRING ? rules_type(text) : 0;
    *types |= bit;
    return bit != 0;
}

static bool read_types(struct rule *rule)
{
    const struct tree_node *value = rule->value;
    if (value->kind == TREE_SCALAR) return add_type(value, &rule->types);
    bool good = are_names(value) && value->count > 0;
    for (size_t i = 0; i < value->count && good; i++) good = add_type(&value->children[i], &rule->types);
    return good;
}

static bool read_number(struct rule *rule, enum shape shape)
{
    if (value_kind(rule->value) != VALUE_NUMBER) return false;
    rule->number = value_number(rule->value);
    if (shape == SHAPE_POSITIVE) return rule->number.value > 0;
    return shape == SHAPE_NUMBER || (rule->number.is_integer && rule->number.value >= 0);
}

static bool is_draft(const struct tree_node *value)
{
    return varve_str_is(value->text, "\"" DRAFT "\"") || varve_str_is(value->text, "\"" DRAFT "#\"");
}

/* What a keyword of this shape takes; NULL when `value` is that. Takes what needs no further reading. */
static const char *misfit(struct rule *rule, varve_str pointer_of_schema)
{
    const struct tree_node *value = rule->value;
    enum value_kind kind = value_kind(value);
    switch (rule->keyword->shape) {
    case SHAPE_SCHEMAS:
        return kind == VALUE_ARRAY && value->count > 0 ? NULL : "an array of schemas, at least one";
    case SHAPE_MAP:
    case SHAPE_PATTERNS:
        return kind == VALUE_OBJECT ? NULL : "an object of schemas";
    case SHAPE_NUMBER:
        return read_number(rule, SHAPE_NUMBER) ? NULL : "a number";
    case SHAPE_POSITIVE:
        return read_number(rule, SHAPE_POSITIVE) ? NULL : "a number above 0";
    case SHAPE_COUNT:
        return read_number(rule, SHAPE_COUNT) ? NULL : "an integer from 0";
    case SHAPE_BOOLEAN:
        return kind == VALUE_BOOLEAN ? NULL : "true or false";
    case SHAPE_TEXT:
    case SHAPE_PATTERN:
    case SHAPE_REF:
        return kind == VALUE_STRING ? NULL : "a string";
    case SHAPE_NAMES:
        return are_names(value) ? NULL : "an array of strings, each once";
    case SHAPE_NAMES_MAP:
        return are_all_names(value) ? NULL : "an object of arrays of strings, each once";
    case SHAPE_LIST:
        return kind == VALUE_ARRAY ? NULL : "an array";
    case SHAPE_TYPES:
        return read_types(rule) ? NULL
                                : "a type (null, boolean, integer, number, string, array, object) or some of them";
    case SHAPE_DRAFT:
        return is_draft(value) ? NULL : DRAFT;
    case SHAPE_ID:
        return kind == VALUE_STRING && pointer_of_schema.len == 0 ? NULL : "a string, and only at the top";
    default:
        return NULL;
    }
}

static varve_status read_value(const struct reading *reading, struct rule *rule, varve_str schema, varve_str pointer)
{
    varve_status status = VARVE_OK;
    const char *wanted = misfit(rule, schema);
    if (wanted != NULL) return refuse(reading, pointer, "must be %s", wanted);
    switch (rule->keyword->shape) {
    case SHAPE_SCHEMA:
        return read_schemas(reading, rule, pointer, true);
    case SHAPE_PATTERNS:
        status = read_patterns(reading, rule, pointer);
        return status < 0 ? status : read_schemas(reading, rule, pointer, false);
    case SHAPE_SCHEMAS:
    case SHAPE_MAP:
        return read_schemas(reading, rule, pointer, false);
    case SHAPE_PATTERN:
        return read_patterns(reading, rule, pointer);
    default:
        return VARVE_OK;
    }
}

/* ---- a schema ---- */

static varve_status read_rule(const struct reading *reading, struct rules *rules, const struct tree_node *member,
                              struct rule ***last)
{
    const struct keyword *keyword = rules_keyword(member->name);
    varve_str pointer;
    if (!extend(reading, rules->pointer, member->name, &pointer)) return no_memory(reading);
    if (keyword == NULL) {
        return refuse(reading, pointer, "the keyword '%.*s' is not supported",
                      (int)(member->name.len > 60 ? 60 : member->name.len), member->name.ptr);
    }
    if (member->repeats) return refuse(reading, pointer, "a name stands there twice");
    struct rule *rule = arena_array(&reading->schema->memory, 1, sizeof *rule);
    if (rule == NULL) return no_memory(reading);
    rule->keyword = keyword;
    rule->value = member;
    **last = rule; /* before it is read: its patterns are closed with the rest when that fails */
    *last = &rule->next;
    return read_value(reading, rule, rules->pointer, pointer);
}

static varve_status read_rules(const struct reading *reading, const struct tree_node *node, varve_str pointer,
                               struct rules **read)
{
    struct rules *rules = arena_array(&reading->schema->memory, 1, sizeof *rules);
    varve_status status = VARVE_OK;
    if (rules == NULL) return no_memory(reading);
    rules->node = node;
    rules->pointer = pointer;
    rules->next = reading->schema->all;
    reading->schema->all = rules;
    *read = rules;
    if (value_kind(node) == VALUE_BOOLEAN) {
        rules->never = varve_str_is(node->text, "false");
        return VARVE_OK;
    }
    if (node->kind != TREE_OBJECT) return refuse(reading, pointer, "must be a schema: an object, true or false");
    if (node->repeats) return refuse(reading, pointer, "a name stands there twice");
    struct rule **last = &rules->first;
    for (size_t i = 0; i < node->count && status >= 0; i++)
        status = read_rule(reading, rules, &node->children[i], &last);
    return status;
}

/* ---- references ---- */

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* A step of a pointer in a URI: percent and tilde resolved. */
static bool decode(varve_str step, varve_buf *text)
{
    varve_buf_reset(text);
    for (size_t i = 0; i < step.len; i++) {
        char byte = step.ptr[i];
        if (byte == '%') {
            if (i + 2 >= step.len || hex(step.ptr[i + 1]) < 0 || hex(step.ptr[i + 2]) < 0) return false;
            byte = (char)(hex(step.ptr[i + 1]) * 16 + hex(step.ptr[i + 2]));
            i += 2;
        } else if (byte == '~') {
            if (i + 1 >= step.len || (step.ptr[i + 1] != '0' && step.ptr[i + 1] != '1')) return false;
            byte = step.ptr[++i] == '0' ? '~' : '/';
        }
        varve_buf_add(text, &byte, 1);
    }
    return !text->failed;
}

static const struct tree_node *take_step(const struct tree_node *node, varve_str step)
{
    size_t index = 0;
    if (node->kind == TREE_OBJECT) return value_member(node, step);
    if (node->kind != TREE_ARRAY || step.len == 0 || step.len > 9) return NULL;
    for (size_t i = 0; i < step.len; i++) {
        if (step.ptr[i] < '0' || step.ptr[i] > '9') return NULL;
        index = index * 10 + (size_t)(step.ptr[i] - '0');
    }
    return index < node->count ? &node->children[index] : NULL;
}

static const struct tree_node *resolve(const struct json_schema *schema, varve_str pointer)
{
    const struct tree_node *node = &schema->root;
    varve_buf step = { 0 };
    size_t at = 0;
    while (node != NULL && at < pointer.len) {
        size_t end = at + 1;
        while (end < pointer.len && pointer.ptr[end] != '/') end++;
        bool good = pointer.ptr[at] == '/' && decode((varve_str){ pointer.ptr + at + 1, end - at - 1 }, &step);
        node = good ? take_step(node, varve_buf_view(&step)) : NULL;
        at = end;
    }
    varve_buf_fini(&step);
    return node;
}

static struct rules *find_rules(const struct json_schema *schema, const struct tree_node *node)
{
    struct rules *rules = node == NULL ? NULL : schema->all;
    while (rules != NULL && rules->node != node) rules = rules->next;
    return rules;
}

static varve_status link_reference(const struct reading *reading, const struct rules *rules, struct rule *rule)
{
    struct json_schema *schema = reading->schema;
    varve_str text = { rule->value->text.ptr + 1, rule->value->text.len - 2 };
    if (text.len == 0 || text.ptr[0] != '#' || memchr(text.ptr, '\\', text.len) != NULL)
        return refuse(reading, rules->pointer, "$ref can only be '#' or '#/…', within the file");
    struct rules *target = find_rules(schema, resolve(schema, (varve_str){ text.ptr + 1, text.len - 1 }));
    if (target == NULL)
        return refuse(reading, rules->pointer, "there is no schema at %.*s", (int)(text.len > 80 ? 80 : text.len),
                      text.ptr);
    rule->schemas = arena_array(&schema->memory, 1, sizeof(struct rules *));
    if (rule->schemas == NULL) return no_memory(reading);
    rule->schemas[0] = target;
    rule->schema_count = 1;
    return VARVE_OK;
}

static varve_status link_references(const struct reading *reading)
{
    for (const struct rules *rules = reading->schema->all; rules != NULL; rules = rules->next) {
        for (struct rule *rule = rules->first; rule != NULL; rule = rule->next) {
            varve_status status = rule->keyword->shape == SHAPE_REF ? link_reference(reading, rules, rule) : VARVE_OK;
            if (status < 0) return status;
        }
    }
    return VARVE_OK;
}

/* Would holding one value against this schema come back to it? */
static bool goes_round(struct rules *rules, unsigned depth)
{
    if (rules->walked == RULES_ON_THE_WAY || depth > VARVE_JSON_DEPTH_MAX) return true;
    if (rules->walked == RULES_SEEN) return false;
    rules->walked = RULES_ON_THE_WAY;
    for (const struct rule *rule = rules->first; rule != NULL; rule = rule->next)
        for (size_t i = 0; i < rule->schema_count && rule->keyword->in_place; i++)
            if (goes_round(rule->schemas[i], depth + 1)) return true;
    rules->walked = RULES_SEEN;
    return false;
}

/* ---- opening and closing ---- */

static varve_status read_schema(const struct reading *reading)
{
    struct json_schema *schema = reading->schema;
    varve_error cause = { 0 };
    varve_status status = json_check(schema->text, "it", &cause);
    if (status < 0) return refuse(reading, (varve_str){ NULL, 0 }, "%s", cause.message);
    status = tree_read(schema->text, &schema->memory, &schema->root, reading->error);
    if (status >= 0) status = read_rules(reading, &schema->root, (varve_str){ "", 0 }, &schema->rules);
    if (status >= 0) status = link_references(reading);
    for (struct rules *rules = schema->all; rules != NULL && status >= 0; rules = rules->next)
        if (goes_round(rules, 0)) status = refuse(reading, rules->pointer, "it leads back to itself without end");
    return status;
}

varve_status json_schema_open(struct json_schema **opened, const char *file, varve_str text, varve_error *error)
{
    struct json_schema *schema = calloc(1, sizeof *schema);
    varve_str name = { NULL, 0 };
    varve_status status = VARVE_OK;
    *opened = NULL;
    if (schema == NULL || !arena_copy(&schema->memory, varve_str_of(file), &name) ||
        !arena_copy(&schema->memory, text, &schema->text)) {
        status = varve_error_set(error, VARVE_NOMEM, "%s: no memory to read it", file);
        goto done;
    }
    schema->file = name.ptr;
    const struct reading reading = { schema, error };
    status = read_schema(&reading);
done:
    if (status < 0) {
        json_schema_close(schema);
        schema = NULL;
    }
    *opened = schema;
    return status;
}

static void close_patterns(const struct rule *rule)
{
    size_t count = rule->keyword->shape == SHAPE_PATTERN ? 1 : rule->value->count;
    for (size_t i = 0; rule->patterns != NULL && i < count; i++) schema_pattern_close(rule->patterns[i]);
}

void json_schema_close(struct json_schema *schema)
{
    if (schema == NULL) return;
    for (const struct rules *rules = schema->all; rules != NULL; rules = rules->next)
        for (const struct rule *rule = rules->first; rule != NULL; rule = rule->next) close_patterns(rule);
    arena_fini(&schema->memory);
    free(schema);
}
