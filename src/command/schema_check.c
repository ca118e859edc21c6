/* SPDX-License-Identifier: Apache-2.0 */
/* Holding a value against a schema, keyword by keyword. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "command/schema_rules.h"

struct check {
    const struct json_schema *schema;
    varve_error *error;  /* says what the first value that does not fit is */
    unsigned quiet;      /* it is being tried whether something fits: nothing is to be said */
    int64_t steps;       /* left */
    varve_status broken; /* not to be told: NOMEM, TOO_LARGE; nothing else counts then */
    varve_buf scratch;
};

static bool break_off(struct check *check, varve_status status)
{
    check->broken = status;
    return false;
}

/* ---- saying what does not fit ---- */

static void write_place(const struct place *place, varve_buf *out)
{
    if (place->around == NULL) return;
    write_place(place->around, out);
    if (place->name.ptr == NULL)
        varve_buf_printf(out, "/%zu", place->index);
    else
        varve_buf_printf(out, "/%.*s", (int)place->name.len, place->name.ptr);
}

/* Says why, unless it is only being tried; returns false. */
static bool VARVE_PRINTF(5, 6) unfit(struct check *check, const struct rules *rules, const struct rule *rule,
                                     const struct place *place, const char *format, ...)
{
    char problem[128];
    varve_buf where = { 0 };
    va_list args;
    if (check->quiet > 0) return false;
    va_start(args, format);
    vsnprintf(problem, sizeof problem, format, args);
    va_end(args);
    write_place(place, &where);
    varve_error_set(check->error, VARVE_INVALID, "%s: '%s': %s (%s%s%.*s)", where.len == 0 ? "the data" : where.ptr,
                    rule == NULL ? "false" : rule->keyword->name, problem, check->schema->file,
                    rules->pointer.len == 0 ? "" : "#", (int)rules->pointer.len, rules->pointer.ptr);
    varve_buf_fini(&where);
    return false;
}

static int shown(varve_str text)
{
    size_t len = text.len < 40 ? text.len : 40;
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80) len--;
    return (int)len;
}

static bool fits(struct check *check, const struct rules *rules, const struct tree_node *value,
                 const struct place *place)
{
    if (--check->steps < 0) return break_off(check, VARVE_TOO_LARGE);
    if (rules->never) return unfit(check, rules, NULL, place, "no value is valid here");
    for (const struct rule *rule = rules->first; rule != NULL; rule = rule->next)
        if (rule->keyword->holds != NULL && !rule->keyword->holds(check, rules, rule, value, place)) return false;
    return true;
}

/* Only tried. */
static bool would_fit(struct check *check, const struct rules *rules, const struct tree_node *value,
                      const struct place *place)
{
    check->quiet++;
    bool good = fits(check, rules, value, place);
    check->quiet--;
    return good;
}

static bool matches(struct check *check, const struct schema_pattern *pattern, varve_str text)
{
    varve_status status = schema_pattern_match(pattern, text, &check->steps);
    return status == VARVE_OK || (status != VARVE_NOT_FOUND && break_off(check, status));
}

const struct rule *rules_find(const struct rules *rules, const char *keyword)
{
    const struct rule *rule = rules->first;
    while (rule != NULL && strcmp(rule->keyword->name, keyword) != 0) rule = rule->next;
    return rule;
}

#define HOLDS(name)                                                                           \
    static bool name(struct check *check, const struct rules *rules, const struct rule *rule, \
                     const struct tree_node *value, const struct place *place)

/* ---- any value ---- */

static unsigned type_of(const struct tree_node *value)
{
    static const unsigned bits[] = {
        [VALUE_NULL] = TYPE_NULL,     [VALUE_BOOLEAN] = TYPE_BOOLEAN, [VALUE_NUMBER] = TYPE_NUMBER,
        [VALUE_STRING] = TYPE_STRING, [VALUE_ARRAY] = TYPE_ARRAY,     [VALUE_OBJECT] = TYPE_OBJECT
    };
    unsigned type = bits[value_kind(value)];
    return type == TYPE_NUMBER && value_number(value).is_integer ? TYPE_NUMBER | TYPE_INTEGER : type;
}

static const char *type_name(unsigned type)
{
    return type & TYPE_NULL      ? "null"
           : type & TYPE_BOOLEAN ? "a boolean"
           : type & TYPE_NUMBER  ? "a number"
           : type & TYPE_STRING  ? "a string"
           : type & TYPE_ARRAY   ? "an array"
                                 : "an object";
}

HOLDS(holds_type)
{
    unsigned type = type_of(value);
    if ((type & rule->types) != 0) return true;
    return unfit(check, rules, rule, place, "%s is not %.*s", type_name(type), shown(rule->value->text),
                 rule->value->text.ptr);
}

HOLDS(holds_enum)
{
    for (size_t i = 0; i < rule->value->count; i++) {
        if (--check->steps < 0) return break_off(check, VARVE_TOO_LARGE);
        if (value_equal(&rule->value->children[i], value)) return true;
    }
    return unfit(check, rules, rule, place, "%.*s is not one of them", shown(value->text), value->text.ptr);
}

HOLDS(holds_const)
{
    if (value_equal(rule->value, value)) return true;
    return unfit(check, rules, rule, place, "%.*s is not %.*s", shown(value->text), value->text.ptr,
                 shown(rule->value->text), rule->value->text.ptr);
}

/* ---- numbers ---- */

enum relation { AT_LEAST, ABOVE, AT_MOST, BELOW };

static bool compare(struct check *check, const struct rules *rules, const struct rule *rule,
                    const struct tree_node *value, const struct place *place, enum relation relation)
{
    static const char *const words[] = { "less than", "not above", "more than", "not below" };
    if (value_kind(value) != VALUE_NUMBER) return true;
    long double number = value_number(value).value, limit = rule->number.value;
    bool good = relation == AT_LEAST  ? number >= limit
                : relation == ABOVE   ? number > limit
                : relation == AT_MOST ? number <= limit
                                      : number < limit;
    if (good) return true;
    return unfit(check, rules, rule, place, "%.*s is %s %.*s", shown(value->text), value->text.ptr, words[relation],
                 shown(rule->value->text), rule->value->text.ptr);
}

HOLDS(holds_minimum)
{
    return compare(check, rules, rule, value, place, AT_LEAST);
}

HOLDS(holds_exclusive_minimum)
{
    return compare(check, rules, rule, value, place, ABOVE);
}

HOLDS(holds_maximum)
{
    return compare(check, rules, rule, value, place, AT_MOST);
}

HOLDS(holds_exclusive_maximum)
{
    return compare(check, rules, rule, value, place, BELOW);
}

HOLDS(holds_multiple_of)
{
    if (value_kind(value) != VALUE_NUMBER || value_is_multiple(value, rule->value)) return true;
    return unfit(check, rules, rule, place, "%.*s is no multiple of %.*s", shown(value->text), value->text.ptr,
                 shown(rule->value->text), rule->value->text.ptr);
}

/* ---- how many ---- */

static bool count(struct check *check, const struct rules *rules, const struct rule *rule, const struct place *place,
                  size_t number, bool at_most, const char *what)
{
    long double limit = rule->number.value;
    if (at_most ? (long double)number <= limit : (long double)number >= limit) return true;
    return unfit(check, rules, rule, place, "%zu %s, and %.*s at %s are wanted", number, what, shown(rule->value->text),
                 rule->value->text.ptr, at_most ? "most" : "least");
}

HOLDS(holds_min_length)
{
    return value_kind(value) != VALUE_STRING ||
           count(check, rules, rule, place, value_length(value), false, "characters");
}

HOLDS(holds_max_length)
{
    return value_kind(value) != VALUE_STRING ||
           count(check, rules, rule, place, value_length(value), true, "characters");
}

HOLDS(holds_min_items)
{
    return value->kind != TREE_ARRAY || count(check, rules, rule, place, value->count, false, "items");
}

HOLDS(holds_max_items)
{
    return value->kind != TREE_ARRAY || count(check, rules, rule, place, value->count, true, "items");
}

HOLDS(holds_min_properties)
{
    return value->kind != TREE_OBJECT || count(check, rules, rule, place, value->count, false, "properties");
}

HOLDS(holds_max_properties)
{
    return value->kind != TREE_OBJECT || count(check, rules, rule, place, value->count, true, "properties");
}

/* ---- strings ---- */

HOLDS(holds_pattern)
{
    varve_str text;
    if (value_kind(value) != VALUE_STRING) return true;
    if (!value_text(value, &check->scratch, &text)) return break_off(check, VARVE_NOMEM);
    if (matches(check, rule->patterns[0], text)) return true;
    return unfit(check, rules, rule, place, "%.*s does not match %.*s", shown(value->text), value->text.ptr,
                 shown(rule->value->text), rule->value->text.ptr);
}

/* ---- arrays ---- */

static bool element_fits(struct check *check, const struct rules *rules, const struct tree_node *array, size_t i,
                         const struct place *place)
{
    const struct place at = { .around = place, .index = i };
    return fits(check, rules, &array->children[i], &at);
}

HOLDS(holds_prefix_items)
{
    (void)rules;
    if (value->kind != TREE_ARRAY) return true;
    for (size_t i = 0; i < value->count && i < rule->schema_count; i++)
        if (!element_fits(check, rule->schemas[i], value, i, place)) return false;
    return true;
}

HOLDS(holds_items)
{
    if (value->kind != TREE_ARRAY) return true;
    const struct rule *prefix = rules_find(rules, "prefixItems");
    for (size_t i = prefix == NULL ? 0 : prefix->schema_count; i < value->count; i++)
        if (!element_fits(check, rule->schemas[0], value, i, place)) return false;
    return true;
}

HOLDS(holds_unique_items)
{
    if (value->kind != TREE_ARRAY || varve_str_is(rule->value->text, "false")) return true;
    varve_status status = value_all_different(value, &check->steps);
    if (status == VARVE_OK) return true;
    return status == VARVE_CONFLICT ? unfit(check, rules, rule, place, "two items are equal")
                                    : break_off(check, status);
}

HOLDS(holds_contains)
{
    if (value->kind != TREE_ARRAY) return true;
    const struct rule *least = rules_find(rules, "minContains"), *most = rules_find(rules, "maxContains");
    size_t found = 0;
    for (size_t i = 0; i < value->count && check->broken == VARVE_OK; i++) {
        const struct place at = { .around = place, .index = i };
        found += would_fit(check, rule->schemas[0], &value->children[i], &at);
    }
    if (check->broken < 0) return false;
    if (least == NULL && found == 0) return unfit(check, rules, rule, place, "no item is what is wanted");
    return (least == NULL || count(check, rules, least, place, found, false, "such items")) &&
           (most == NULL || count(check, rules, most, place, found, true, "such items"));
}

/* ---- objects ---- */

static bool member_fits(struct check *check, const struct rules *rules, const struct tree_node *member,
                        const struct place *place)
{
    const struct place at = { .around = place,
                              .name = { member->name.len == 0 ? "" : member->name.ptr, member->name.len } };
    return fits(check, rules, member, &at);
}

/* The schema that a map has for the name, or NULL. */
static const struct rules *schema_of(const struct rule *map, varve_str name)
{
    const struct tree_node *entry = map == NULL ? NULL : value_member(map->value, name);
    return entry == NULL ? NULL : map->schemas[entry - map->value->children];
}

HOLDS(holds_properties)
{
    (void)rules;
    for (size_t i = 0; value->kind == TREE_OBJECT && i < value->count; i++) {
        const struct rules *own = schema_of(rule, value->children[i].name);
        if (own != NULL && !member_fits(check, own, &value->children[i], place)) return false;
    }
    return true;
}

HOLDS(holds_pattern_properties)
{
    (void)rules;
    for (size_t i = 0; value->kind == TREE_OBJECT && i < value->count; i++) {
        for (size_t j = 0; j < rule->schema_count; j++) {
            bool concerned = matches(check, rule->patterns[j], value->children[i].name);
            if (check->broken < 0) return false;
            if (concerned && !member_fits(check, rule->schemas[j], &value->children[i], place)) return false;
        }
    }
    return true;
}

static bool is_additional(struct check *check, const struct rules *rules, varve_str name)
{
    const struct rule *patterns = rules_find(rules, "patternProperties");
    if (schema_of(rules_find(rules, "properties"), name) != NULL) return false;
    for (size_t i = 0; patterns != NULL && i < patterns->schema_count; i++)
        if (matches(check, patterns->patterns[i], name)) return false;
    return check->broken == VARVE_OK;
}

HOLDS(holds_additional_properties)
{
    for (size_t i = 0; value->kind == TREE_OBJECT && i < value->count; i++) {
        const struct tree_node *member = &value->children[i];
        bool additional = is_additional(check, rules, member->name);
        if (check->broken < 0) return false;
        if (!additional) continue;
        if (rule->schemas[0]->never)
            return unfit(check, rules, rule, place, "there is no property '%.*s'", shown(member->name),
                         member->name.ptr);
        if (!member_fits(check, rule->schemas[0], member, place)) return false;
    }
    return true;
}

HOLDS(holds_property_names)
{
    for (size_t i = 0; value->kind == TREE_OBJECT && i < value->count; i++) {
        varve_buf text = { 0 };
        varve_buf_json_string(&text, value->children[i].name);
        if (text.failed) {
            varve_buf_fini(&text);
            return break_off(check, VARVE_NOMEM);
        }
        const struct tree_node name = { .kind = TREE_SCALAR, .text = varve_buf_view(&text) };
        bool good = would_fit(check, rule->schemas[0], &name, place);
        varve_buf_fini(&text);
        if (check->broken < 0) return false;
        if (!good)
            return unfit(check, rules, rule, place, "a property cannot be called '%.*s'",
                         shown(value->children[i].name), value->children[i].name.ptr);
    }
    return true;
}

/* All of the names are there. */
static bool has_names(struct check *check, const struct rules *rules, const struct rule *rule,
                      const struct tree_node *names, const struct tree_node *value, const struct place *place)
{
    for (size_t i = 0; i < names->count; i++) {
        varve_str name;
        if (!value_text(&names->children[i], &check->scratch, &name)) return break_off(check, VARVE_NOMEM);
        if (value_member(value, name) == NULL)
            return unfit(check, rules, rule, place, "'%.*s' is missing", shown(name), name.ptr);
    }
    return true;
}

HOLDS(holds_required)
{
    return value->kind != TREE_OBJECT || has_names(check, rules, rule, rule->value, value, place);
}

HOLDS(holds_dependent_required)
{
    for (size_t i = 0; value->kind == TREE_OBJECT && i < rule->value->count; i++) {
        const struct tree_node *names = &rule->value->children[i];
        if (value_member(value, names->name) != NULL && !has_names(check, rules, rule, names, value, place))
            return false;
    }
    return true;
}

HOLDS(holds_dependent_schemas)
{
    (void)rules;
    for (size_t i = 0; value->kind == TREE_OBJECT && i < rule->schema_count; i++)
        if (value_member(value, rule->value->children[i].name) != NULL && !fits(check, rule->schemas[i], value, place))
            return false;
    return true;
}

/* ---- schemas of the same value ---- */

HOLDS(holds_all)
{
    (void)rules;
    for (size_t i = 0; i < rule->schema_count; i++)
        if (!fits(check, rule->schemas[i], value, place)) return false;
    return true;
}

static size_t fitting(struct check *check, const struct rule *rule, const struct tree_node *value,
                      const struct place *place, size_t enough)
{
    size_t found = 0;
    for (size_t i = 0; i < rule->schema_count && found < enough && check->broken == VARVE_OK; i++)
        found += would_fit(check, rule->schemas[i], value, place);
    return check->broken < 0 ? 0 : found;
}

HOLDS(holds_any)
{
    return fitting(check, rule, value, place, 1) == 1 || unfit(check, rules, rule, place, "it fits none of them");
}

HOLDS(holds_one)
{
    size_t found = fitting(check, rule, value, place, 2);
    if (found == 1) return true;
    return unfit(check, rules, rule, place, found == 0 ? "it fits none of them" : "it fits more than one of them");
}

HOLDS(holds_not)
{
    if (!would_fit(check, rule->schemas[0], value, place)) return check->broken == VARVE_OK;
    return unfit(check, rules, rule, place, "it fits what it must not");
}

HOLDS(holds_if)
{
    bool good = would_fit(check, rule->schemas[0], value, place);
    const struct rule *next = rules_find(rules, good ? "then" : "else");
    if (check->broken < 0) return false;
    return next == NULL || fits(check, next->schemas[0], value, place);
}

/* ---- the table ---- */

static const struct keyword keywords[] = {
    { "$schema", SHAPE_DRAFT, false, NULL },
    { "$id", SHAPE_ID, false, NULL },
    { "$ref", SHAPE_REF, true, holds_all },
    { "$defs", SHAPE_MAP, false, NULL },
    { "$comment", SHAPE_TEXT, false, NULL },
    { "title", SHAPE_TEXT, false, NULL },
    { "description", SHAPE_TEXT, false, NULL },
    { "default", SHAPE_ANY, false, NULL },
    { "examples", SHAPE_LIST, false, NULL },
    { "deprecated", SHAPE_BOOLEAN, false, NULL },
    { "readOnly", SHAPE_BOOLEAN, false, NULL },
    { "writeOnly", SHAPE_BOOLEAN, false, NULL },
    { "type", SHAPE_TYPES, false, holds_type },
    { "enum", SHAPE_LIST, false, holds_enum },
    { "const", SHAPE_ANY, false, holds_const },
    { "multipleOf", SHAPE_POSITIVE, false, holds_multiple_of },
    { "maximum", SHAPE_NUMBER, false, holds_maximum },
    { "exclusiveMaximum", SHAPE_NUMBER, false, holds_exclusive_maximum },
    { "minimum", SHAPE_NUMBER, false, holds_minimum },
    { "exclusiveMinimum", SHAPE_NUMBER, false, holds_exclusive_minimum },
    { "maxLength", SHAPE_COUNT, false, holds_max_length },
    { "minLength", SHAPE_COUNT, false, holds_min_length },
    { "pattern", SHAPE_PATTERN, false, holds_pattern },
    { "maxItems", SHAPE_COUNT, false, holds_max_items },
    { "minItems", SHAPE_COUNT, false, holds_min_items },
    { "uniqueItems", SHAPE_BOOLEAN, false, holds_unique_items },
    { "prefixItems", SHAPE_SCHEMAS, false, holds_prefix_items },
    { "items", SHAPE_SCHEMA, false, holds_items },
    { "contains", SHAPE_SCHEMA, false, holds_contains },
    { "maxContains", SHAPE_COUNT, false, NULL },
    { "minContains", SHAPE_COUNT, false, NULL },
    { "maxProperties", SHAPE_COUNT, false, holds_max_properties },
    { "minProperties", SHAPE_COUNT, false, holds_min_properties },
    { "required", SHAPE_NAMES, false, holds_required },
    { "dependentRequired", SHAPE_NAMES_MAP, false, holds_dependent_required },
    { "properties", SHAPE_MAP, false, holds_properties },
    { "patternProperties", SHAPE_PATTERNS, false, holds_pattern_properties },
    { "additionalProperties", SHAPE_SCHEMA, false, holds_additional_properties },
    { "propertyNames", SHAPE_SCHEMA, false, holds_property_names },
    { "dependentSchemas", SHAPE_MAP, true, holds_dependent_schemas },
    { "allOf", SHAPE_SCHEMAS, true, holds_all },
    { "anyOf", SHAPE_SCHEMAS, true, holds_any },
    { "oneOf", SHAPE_SCHEMAS, true, holds_one },
    { "not", SHAPE_SCHEMA, true, holds_not },
    { "if", SHAPE_SCHEMA, true, holds_if },
    { "then", SHAPE_SCHEMA, true, NULL },
    { "else", SHAPE_SCHEMA, true, NULL },
};

const struct keyword *rules_keyword(varve_str name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (varve_str_is(name, keywords[i].name)) return &keywords[i];
    return NULL;
}

varve_status json_schema_check(const struct json_schema *schema, varve_str json, varve_error *error)
{
    varve_error problem = { 0 };
    struct check check = { .schema = schema, .error = &problem, .steps = SCHEMA_STEPS_MAX };
    const struct place top = { 0 };
    struct arena arena = { 0 };
    struct tree_node value = { 0 };
    varve_status status = tree_read(json, &arena, &value, error);
    bool good = status >= 0 && fits(&check, schema->rules, &value, &top);
    if (check.steps < 0 && check.broken == VARVE_OK) check.broken = VARVE_TOO_LARGE;
    if (status >= 0 && check.broken == VARVE_NOMEM)
        status = varve_error_set(error, VARVE_NOMEM, "no memory to check an event's data");
    else if (status >= 0 && check.broken < 0)
        status = varve_error_set(error, VARVE_INVALID,
                                 "%s: it would take too long, or too much memory, to tell whether the data fits",
                                 schema->file);
    else if (status >= 0 && !good)
        status = varve_error_set(error, VARVE_INVALID, "%s", problem.message);
    varve_buf_fini(&check.scratch);
    arena_fini(&arena);
    return status < 0 ? status : VARVE_OK;
}
