/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "base/utf8.h"

enum { NODES_MIN = 64 };

struct anchor {
    varve_str name;
    struct yaml_node node;
    struct anchor *older;
};

/*
 * A text being read. Open collections and the children they have so far stand in `pending`, a collection before its
 * children; closing it moves the children to the arena.
 */
struct reading {
    struct yaml_document *document;
    struct arena *arena;
    varve_error *error;
    varve_str text;
    yaml_parser_t parser;
    struct yaml_node *pending;
    size_t count, capacity;
    size_t open[YAML_DEPTH_MAX];     /* the places of open collections … */
    varve_str names[YAML_DEPTH_MAX]; /* … and their anchors */
    size_t depth;
    struct anchor *anchors; /* newest first */
    unsigned anchor_count;
    bool is_over; /* the document has been read */
};

static varve_status refuse_at(const struct reading *reading, unsigned line, unsigned column, const char *problem)
{
    return varve_error_set(reading->error, VARVE_INVALID, "%s:%u:%u: %s", reading->document->name, line, column,
                           problem);
}

varve_status yaml_refuse(const struct yaml_document *document, const struct yaml_node *node, varve_error *error,
                         const char *format, ...)
{
    varve_error problem = { 0 };
    va_list args;
    va_start(args, format);
    varve_error_setv(&problem, VARVE_INVALID, format, args);
    va_end(args);
    return varve_error_set(error, VARVE_INVALID, "%s:%u:%u: %s", document->name, node->line, node->column,
                           problem.message);
}

const char *yaml_show(varve_str text, char shown[YAML_SHOWN_BYTES])
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    size_t len = 0, width = 0;
    for (; at < end && (width = utf8_sequence(at, end)) > 0 && len + width < YAML_SHOWN_BYTES; at += width) {
        bool is_shown = utf8_printable((varve_str){ at, width });
        memcpy(shown + len, is_shown ? at : "?", is_shown ? width : 1);
        len += is_shown ? width : 1;
    }
    shown[len] = '\0';
    return shown;
}

static varve_status no_memory(const struct reading *reading)
{
    return varve_error_set(reading->error, VARVE_NOMEM, "%s: no memory to read it", reading->document->name);
}

/* ---- what the parser complains about ---- */

/* The parser counts bytes, and from 0. */
static varve_status refuse_byte(const struct reading *reading, size_t offset, const char *problem)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < offset && i < reading->text.len; i++) {
        unsigned char byte = (unsigned char)reading->text.ptr[i];
        if (byte == '\n') {
            line++;
            column = 1;
        } else if ((byte & 0xC0) != 0x80) {
            column++;
        }
    }
    return refuse_at(reading, line, column, problem);
}

static varve_status parser_failed(const struct reading *reading)
{
    const yaml_parser_t *parser = &reading->parser;
    char problem[160];
    const char *what = parser->problem == NULL ? "not YAML" : parser->problem;
    switch (parser->error) {
    case YAML_MEMORY_ERROR:
        return no_memory(reading);
    case YAML_READER_ERROR:
        return refuse_byte(reading, parser->problem_offset, what);
    default:
        snprintf(problem, sizeof problem, "%s%s%s", what, parser->context == NULL ? "" : " ",
                 parser->context == NULL ? "" : parser->context);
        return refuse_at(reading, (unsigned)parser->problem_mark.line + 1, (unsigned)parser->problem_mark.column + 1,
                         problem);
    }
}

/* ---- nodes ---- */

static varve_status push(struct reading *reading, const struct yaml_node *node)
{
    if (reading->count == reading->capacity) {
        size_t capacity = reading->capacity == 0 ? NODES_MIN : reading->capacity * 2;
        struct yaml_node *grown = reallocarray(reading->pending, capacity, sizeof *grown);
        if (grown == NULL) return no_memory(reading);
        reading->pending = grown;
        reading->capacity = capacity;
    }
    reading->pending[reading->count++] = *node;
    return VARVE_OK;
}

static struct yaml_node node_at(enum yaml_kind kind, const yaml_event_t *event)
{
    return (struct yaml_node){
        .kind = kind,
        .line = (unsigned)event->start_mark.line + 1,
        .column = (unsigned)event->start_mark.column + 1,
    };
}

static varve_str text_of(const yaml_char_t *text)
{
    return varve_str_of((const char *)text);
}

/* A complete node gets the name that it was given. The newest of one name counts, as YAML has it. */
static varve_status keep_anchor(struct reading *reading, varve_str name, const struct yaml_node *node)
{
    struct anchor *anchor;
    if (name.len == 0) return VARVE_OK;
    if (reading->anchor_count++ == YAML_ANCHORS_MAX)
        return yaml_refuse(reading->document, node, reading->error, "there are more than %u anchors", YAML_ANCHORS_MAX);
    anchor = arena_alloc(reading->arena, sizeof *anchor);
    if (anchor == NULL) return no_memory(reading);
    *anchor = (struct anchor){ name, *node, reading->anchors };
    reading->anchors = anchor;
    return VARVE_OK;
}

static varve_status refuse_tag(const struct reading *reading, const struct yaml_node *node)
{
    return refuse_at(reading, node->line, node->column, "tags are not read here: quotes make a text of anything");
}

static varve_status refuse_depth(const struct reading *reading, const struct yaml_node *node)
{
    return yaml_refuse(reading->document, node, reading->error, "lists and mappings are more than %u deep",
                       YAML_DEPTH_MAX);
}

static varve_status take_scalar(struct reading *reading, const yaml_event_t *event)
{
    struct yaml_node node = node_at(YAML_SCALAR, event);
    varve_str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
    varve_str anchor = { 0 };
    if (event->data.scalar.tag != NULL) return refuse_tag(reading, &node);
    node.is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!arena_copy(reading->arena, text, &node.text) ||
        !arena_copy(reading->arena, text_of(event->data.scalar.anchor), &anchor))
        return no_memory(reading);
    varve_status status = keep_anchor(reading, anchor, &node);
    return status < 0 ? status : push(reading, &node);
}

static varve_status take_alias(struct reading *reading, const yaml_event_t *event)
{
    struct yaml_node node = node_at(YAML_SCALAR, event);
    varve_str name = text_of(event->data.alias.anchor);
    char shown[YAML_SHOWN_BYTES];
    const struct anchor *anchor = reading->anchors;
    while (anchor != NULL && !varve_str_eq(anchor->name, name)) anchor = anchor->older;
    if (anchor == NULL)
        return yaml_refuse(reading->document, &node, reading->error, "no '&%s' is complete before this place",
                           yaml_show(name, shown));
    if (reading->depth + anchor->node.height > YAML_DEPTH_MAX) return refuse_depth(reading, &node);
    unsigned line = node.line, column = node.column;
    node = anchor->node;
    node.line = line;
    node.column = column;
    return push(reading, &node);
}

static varve_status open_collection(struct reading *reading, const yaml_event_t *event)
{
    bool is_mapping = event->type == YAML_MAPPING_START_EVENT;
    struct yaml_node node = node_at(is_mapping ? YAML_MAPPING : YAML_SEQUENCE, event);
    const yaml_char_t *tag = is_mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const yaml_char_t *anchor = is_mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    if (tag != NULL) return refuse_tag(reading, &node);
    if (reading->depth == YAML_DEPTH_MAX) return refuse_depth(reading, &node);
    if (!arena_copy(reading->arena, text_of(anchor), &reading->names[reading->depth])) return no_memory(reading);
    reading->open[reading->depth++] = reading->count;
    return push(reading, &node);
}

/* By text, then by place. */
static int compare_keys(const void *a, const void *b)
{
    const struct yaml_node *left = *(const struct yaml_node *const *)a, *right = *(const struct yaml_node *const *)b;
    size_t len = left->text.len < right->text.len ? left->text.len : right->text.len;
    int order = len == 0 ? 0 : memcmp(left->text.ptr, right->text.ptr, len);
    if (order == 0) order = (left->text.len > right->text.len) - (left->text.len < right->text.len);
    return order != 0 ? order : (left > right) - (left < right);
}

static varve_status check_keys(const struct reading *reading, const struct yaml_node *mapping)
{
    const struct yaml_document *document = reading->document;
    size_t count = mapping->count / 2;
    char shown[YAML_SHOWN_BYTES];
    varve_status status = VARVE_OK;
    const struct yaml_node **keys = calloc(count + 1, sizeof(const struct yaml_node *));
    if (keys == NULL) return no_memory(reading);
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        keys[i] = &mapping->children[2 * i];
        if (keys[i]->kind != YAML_SCALAR)
            status = yaml_refuse(document, keys[i], reading->error, "a key must be a text");
        else if (keys[i]->is_plain && varve_str_is(keys[i]->text, "<<"))
            status = yaml_refuse(document, keys[i], reading->error, "merge keys are not read here");
    }
    if (status == VARVE_OK) qsort(keys, count, sizeof(const struct yaml_node *), compare_keys);
    for (size_t i = 1; i < count && status == VARVE_OK; i++) {
        if (varve_str_eq(keys[i - 1]->text, keys[i]->text))
            status = yaml_refuse(document, keys[i], reading->error, "'%s' stands twice, first in line %u",
                                 yaml_show(keys[i]->text, shown), keys[i - 1]->line);
    }
    free(keys);
    return status;
}

static varve_status close_collection(struct reading *reading)
{
    size_t place = reading->open[--reading->depth];
    struct yaml_node *node = &reading->pending[place];
    node->count = reading->count - place - 1;
    node->height = 1;
    if (node->count > 0) {
        node->children = arena_array(reading->arena, node->count, sizeof *node->children);
        if (node->children == NULL) return no_memory(reading);
        memcpy(node->children, node + 1, node->count * sizeof *node->children);
    }
    for (size_t i = 0; i < node->count; i++)
        if (node->children[i].height >= node->height) node->height = node->children[i].height + 1;
    reading->count = place + 1;
    varve_status status = node->kind == YAML_MAPPING ? check_keys(reading, node) : VARVE_OK;
    return status < 0 ? status : keep_anchor(reading, reading->names[reading->depth], node);
}

/* ---- the text ---- */

static varve_status take(struct reading *reading, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (reading->is_over)
            return refuse_at(reading, (unsigned)event->start_mark.line + 1, (unsigned)event->start_mark.column + 1,
                             "a second document: a file has one");
        return VARVE_OK;
    case YAML_DOCUMENT_END_EVENT:
        reading->is_over = true;
        return VARVE_OK;
    case YAML_SCALAR_EVENT:
        return take_scalar(reading, event);
    case YAML_ALIAS_EVENT:
        return take_alias(reading, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return open_collection(reading, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(reading);
    default:
        return VARVE_OK;
    }
}

static varve_status read_all(struct reading *reading)
{
    varve_status status = VARVE_OK;
    bool is_end = false;
    yaml_parser_set_input_string(&reading->parser, (const unsigned char *)reading->text.ptr, reading->text.len);
    while (status == VARVE_OK && !is_end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reading->parser, &event)) return parser_failed(reading);
        status = take(reading, &event);
        is_end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    if (status == VARVE_OK && reading->count == 0) return refuse_at(reading, 1, 1, "there is nothing in it");
    if (status == VARVE_OK) reading->document->root = reading->pending[0];
    return status;
}

varve_status yaml_read(struct yaml_document *document, const char *name, varve_str text, struct arena *arena,
                       varve_error *error)
{
    struct reading reading = { .document = document, .arena = arena, .error = error, .text = text };
    *document = (struct yaml_document){ .name = name };
    if (text.len > YAML_BYTES_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "%s: more than %u bytes", name, YAML_BYTES_MAX);
    if (text.len == 0) return refuse_at(&reading, 1, 1, "there is nothing in it");
    if (!yaml_parser_initialize(&reading.parser)) return no_memory(&reading);
    varve_status status = read_all(&reading);
    yaml_parser_delete(&reading.parser);
    free(reading.pending);
    return status;
}
