/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/file.h"

#include "base/utf8.h"

struct reading {
    struct spec_file *file;
    struct yaml_document document;
    varve_error *error;
    varve_buf json;   /* scratch */
    size_t bytes;     /* made so far */
    varve_str stream; /* the file's; empty: each example has its own */
};

/* A mapping's member by name; a list of them ends with one without a name. */
struct member {
    const char *name;
    const struct yaml_node *value; /* NULL: it is not there */
};

/* ---- pieces ---- */

#define REFUSE(reading, node, ...) yaml_refuse(&(reading)->document, node, (reading)->error, __VA_ARGS__)

static varve_status no_memory(const struct reading *reading)
{
    return varve_error_set(reading->error, VARVE_NOMEM, "%s: no memory to read it", reading->file->name);
}

static varve_status charge(struct reading *reading, size_t bytes)
{
    reading->bytes += bytes;
    if (reading->bytes <= SPEC_BYTES_MAX) return VARVE_OK;
    return varve_error_set(reading->error, VARVE_TOO_LARGE, "%s: its examples come to more than %u bytes",
                           reading->file->name, SPEC_BYTES_MAX);
}

/* `count` zeroed elements; a place for nothing when there are none. */
static varve_status make_array(struct reading *reading, size_t count, size_t size, void *array)
{
    void *made;
    varve_status status = charge(reading, count * size);
    if (status < 0) return status;
    made = arena_array(&reading->file->arena, count == 0 ? 1 : count, size);
    memcpy(array, &made, sizeof made);
    return made == NULL ? no_memory(reading) : VARVE_OK;
}

static struct spec_place place_of(const struct yaml_node *node)
{
    return (struct spec_place){ node->line, node->column };
}

/* "a, b and c", for a message. */
static void list_names(const struct member *members, varve_buf *names)
{
    for (const struct member *member = members; member->name != NULL; member++) {
        const char *comma = member == members ? "" : member[1].name == NULL ? " and " : ", ";
        varve_buf_printf(names, "%s%s", comma, member->name);
    }
}

static varve_status refuse_key(struct reading *reading, const struct yaml_node *key, const char *what,
                               const struct member *members)
{
    varve_buf names = { 0 };
    char shown[YAML_SHOWN_BYTES];
    list_names(members, &names);
    varve_status status =
        names.failed ? no_memory(reading)
                     : REFUSE(reading, key, "%s has no '%s', only %s", what, yaml_show(key->text, shown), names.ptr);
    varve_buf_fini(&names);
    return status;
}

/* Finds the members of a mapping. Anything but a mapping, and a key that is none of them, is refused. */
static varve_status take_members(struct reading *reading, const struct yaml_node *node, const char *what,
                                 struct member *members)
{
    if (node->kind != YAML_MAPPING) return REFUSE(reading, node, "%s must be a mapping", what);
    for (size_t i = 0; i < node->count; i += 2) {
        struct member *member = members;
        while (member->name != NULL && !varve_str_is(node->children[i].text, member->name)) member++;
        if (member->name == NULL) return refuse_key(reading, &node->children[i], what, members);
        member->value = &node->children[i + 1];
    }
    return VARVE_OK;
}

static varve_status take_text(struct reading *reading, const struct yaml_node *node, const char *what, varve_str *text)
{
    if (!yaml_is_text(node)) return REFUSE(reading, node, "%s must be a text", what);
    *text = node->text;
    return VARVE_OK;
}

/* A text that is there for a name. */
static varve_status take_name(struct reading *reading, const struct yaml_node *node, const char *what, varve_str *name)
{
    varve_status status = take_text(reading, node, what, name);
    if (status == VARVE_OK && name->len == 0) return REFUSE(reading, node, "%s must not be empty", what);
    if (status == VARVE_OK && name->len > VARVE_NAME_BYTES_MAX)
        return REFUSE(reading, node, "%s has more than %u bytes", what, VARVE_NAME_BYTES_MAX);
    if (status == VARVE_OK && !utf8_printable(*name)) return REFUSE(reading, node, "%s must be printable", what);
    return status;
}

static varve_status take_time(struct reading *reading, const struct yaml_node *node, const char *what, varve_time *time)
{
    varve_error problem = { 0 };
    varve_str text = { 0 };
    varve_status status = take_text(reading, node, what, &text);
    if (status < 0) return status;
    if (varve_time_parse(time, text, &problem) < 0 || *time == 0)
        return REFUSE(reading, node, "%s must be a time such as 2026-01-02T03:04:05Z", what);
    return VARVE_OK;
}

static varve_status take_schema_version(struct reading *reading, const struct yaml_node *node, uint32_t *version)
{
    int64_t number = 0;
    varve_buf_reset(&reading->json);
    varve_status status =
        yaml_write_json(&reading->document, node, VARVE_NAME_BYTES_MAX, &reading->json, reading->error);
    if (status < 0) return status;
    if (varve_json_int(varve_buf_view(&reading->json), "", &number, NULL) < 0 || number < 1 || number > UINT32_MAX)
        return REFUSE(reading, node, "schema_version must be a whole number from 1");
    *version = (uint32_t)number;
    return VARVE_OK;
}

/* A node as JSON, kept in the file's memory. */
static varve_status take_json(struct reading *reading, const struct yaml_node *node, varve_str *json)
{
    varve_buf_reset(&reading->json);
    varve_status status =
        yaml_write_json(&reading->document, node, VARVE_DATA_BYTES_MAX, &reading->json, reading->error);
    if (status == VARVE_OK) status = charge(reading, reading->json.len);
    if (status == VARVE_OK && !arena_copy(&reading->file->arena, varve_buf_view(&reading->json), json))
        status = no_memory(reading);
    return status;
}

static varve_status take_object(struct reading *reading, const struct yaml_node *node, const char *what,
                                varve_str *json)
{
    if (node->kind != YAML_MAPPING) return REFUSE(reading, node, "%s must be a mapping", what);
    return take_json(reading, node, json);
}

static varve_status take_tags(struct reading *reading, const struct yaml_node *node, varve_event *event)
{
    varve_str *tags = NULL;
    if (node->kind != YAML_SEQUENCE) return REFUSE(reading, node, "tags must be a list");
    varve_status status = make_array(reading, node->count, sizeof *tags, &tags);
    for (size_t i = 0; i < node->count && status == VARVE_OK; i++)
        status = take_name(reading, &node->children[i], "a tag", &tags[i]);
    event->tags = tags;
    event->tag_count = node->count;
    return status;
}

/* ---- events and commands ---- */

/* The members that both begin with. */
enum { TYPE, DATA };

static bool is_member(const struct member *members, varve_str name)
{
    while (members->name != NULL && !varve_str_is(name, members->name)) members++;
    return members->name != NULL;
}

/*
 * Finds the members of an event or a command, which begin with type and data. The short forms, TYPE and TYPE: DATA,
 * have only these: then `*type` is set, and `data` when there is any.
 */
static varve_status take_typed(struct reading *reading, const struct yaml_node *node, const char *what,
                               struct member *members, varve_str *type)
{
    const struct yaml_node *key = node;
    if (node->kind == YAML_SEQUENCE || (node->kind == YAML_MAPPING && node->count == 0))
        return REFUSE(reading, node, "%s is TYPE, TYPE: DATA, or a mapping with type", what);
    if (node->kind == YAML_MAPPING && (node->count > 2 || is_member(members, node->children[0].text))) {
        varve_status status = take_members(reading, node, what, members);
        if (status == VARVE_OK && members[TYPE].value == NULL) return REFUSE(reading, node, "%s needs a type", what);
        return status < 0 ? status : take_name(reading, members[TYPE].value, "a type", type);
    }
    if (node->kind == YAML_MAPPING) {
        const struct yaml_node *data = &node->children[1];
        bool is_nothing = yaml_is_null(data) && data->text.len == 0;
        if (!is_nothing) members[DATA].value = data;
        key = &node->children[0];
    }
    return take_name(reading, key, "a type", type);
}

static varve_status take_data(struct reading *reading, const struct yaml_node *node, varve_str *json)
{
    if (node != NULL) return take_json(reading, node, json);
    *json = VARVE_STR("{}");
    return VARVE_OK;
}

/* What happened has metadata, what is expected may have a part of its data. */
static varve_status take_event(struct reading *reading, const struct yaml_node *node, bool is_expected,
                               struct spec_event *event)
{
    enum { SCHEMA_VERSION = DATA + 1, TAGS, OCCURRED_AT, METADATA_OR_PART, STREAM };
    struct member members[] = {
        [TYPE] = { "type", NULL },
        [DATA] = { "data", NULL },
        [SCHEMA_VERSION] = { "schema_version", NULL },
        [TAGS] = { "tags", NULL },
        [OCCURRED_AT] = { "occurred_at", NULL },
        [METADATA_OR_PART] = { is_expected ? "data_has" : "metadata", NULL },
        [STREAM] = { is_expected ? NULL : "stream", NULL }, /* what is decided goes to the example's */
        { NULL, NULL },
    };
    event->place = place_of(node);
    varve_status status =
        take_typed(reading, node, is_expected ? "an expected event" : "an event", members, &event->event.type);
    if (status < 0) return status;

    const struct yaml_node *part = is_expected ? members[METADATA_OR_PART].value : NULL;
    const struct yaml_node *metadata = is_expected ? NULL : members[METADATA_OR_PART].value;
    if (part != NULL && members[DATA].value != NULL)
        return REFUSE(reading, part, "data is all of it, data_has a part: an event has one of them");
    event->data.is_part = part != NULL;
    status = take_data(reading, part != NULL ? part : members[DATA].value, &event->data.json);
    event->event.data = event->data.json;
    if (status == VARVE_OK && members[SCHEMA_VERSION].value != NULL)
        status = take_schema_version(reading, members[SCHEMA_VERSION].value, &event->event.schema_version);
    if (status == VARVE_OK && members[TAGS].value != NULL)
        status = take_tags(reading, members[TAGS].value, &event->event);
    if (status == VARVE_OK && members[OCCURRED_AT].value != NULL)
        status = take_time(reading, members[OCCURRED_AT].value, "occurred_at", &event->event.occurred_at);
    if (status == VARVE_OK && metadata != NULL)
        status = take_object(reading, metadata, "metadata", &event->event.metadata);
    if (status == VARVE_OK && members[STREAM].value != NULL)
        status = take_name(reading, members[STREAM].value, "a stream", &event->event.stream);
    return status;
}

static varve_status take_events(struct reading *reading, const struct yaml_node *node, const char *what,
                                bool are_expected, const struct spec_event **events, size_t *count)
{
    struct spec_event *made = NULL;
    if (node->kind != YAML_SEQUENCE) return REFUSE(reading, node, "%s must be a list of events", what);
    varve_status status = make_array(reading, node->count, sizeof *made, &made);
    for (size_t i = 0; i < node->count && status == VARVE_OK; i++)
        status = take_event(reading, &node->children[i], are_expected, &made[i]);
    *events = made;
    *count = node->count;
    return status;
}

static varve_status take_command(struct reading *reading, const struct yaml_node *node, varve_command *command)
{
    enum { TIME = DATA + 1, ACTOR, CONTEXT };
    struct member members[] = {
        [TYPE] = { "type", NULL },   [DATA] = { "data", NULL },       [TIME] = { "time", NULL },
        [ACTOR] = { "actor", NULL }, [CONTEXT] = { "context", NULL }, { NULL, NULL },
    };
    varve_status status = take_typed(reading, node, "a command", members, &command->type);
    if (status == VARVE_OK) status = take_data(reading, members[DATA].value, &command->data);
    if (status == VARVE_OK && members[TIME].value != NULL)
        status = take_time(reading, members[TIME].value, "time", &command->time);
    if (status == VARVE_OK && members[ACTOR].value != NULL)
        status = take_name(reading, members[ACTOR].value, "actor", &command->actor);
    if (status == VARVE_OK && members[CONTEXT].value != NULL)
        status = take_json(reading, members[CONTEXT].value, &command->context);
    return status;
}

/* ---- examples ---- */

/* rejected: CODE, or rejected: { code: CODE, message: MESSAGE }, of which one may be left out. */
static varve_status take_rejection(struct reading *reading, const struct yaml_node *node, struct spec_example *example)
{
    enum { CODE, MESSAGE };
    struct member members[] = { [CODE] = { "code", NULL }, [MESSAGE] = { "message", NULL }, { NULL, NULL } };
    varve_status status = VARVE_OK;
    example->expects_rejection = true;
    if (node->kind == YAML_SCALAR) return take_name(reading, node, "a rejection's code", &example->code);
    status = take_members(reading, node, "rejected", members);
    if (status == VARVE_OK && node->count == 0) return REFUSE(reading, node, "a rejection has a code or a message");
    if (status == VARVE_OK && members[CODE].value != NULL)
        status = take_name(reading, members[CODE].value, "a rejection's code", &example->code);
    if (status == VARVE_OK && members[MESSAGE].value != NULL) {
        example->has_message = true;
        status = take_text(reading, members[MESSAGE].value, "a rejection's message", &example->message);
    }
    return status;
}

static varve_status take_outcome(struct reading *reading, const struct yaml_node *node, struct spec_example *example)
{
    enum { EVENTS, REJECTED, STATE, STATE_HAS };
    struct member members[] = {
        [EVENTS] = { "events", NULL },
        [REJECTED] = { "rejected", NULL },
        [STATE] = { "state", NULL },
        [STATE_HAS] = { "state_has", NULL },
        { NULL, NULL },
    };
    if (node->kind == YAML_SEQUENCE) {
        example->expects_events = true;
        return take_events(reading, node, "then", true, &example->events, &example->event_count);
    }
    if (node->kind == YAML_SCALAR)
        return REFUSE(reading, node,
                      "then is a list of events ([]: none), or a mapping with events, rejected, state "
                      "or state_has");
    varve_status status = take_members(reading, node, "then", members);
    const struct yaml_node *state = members[STATE].value != NULL ? members[STATE].value : members[STATE_HAS].value;
    if (status < 0) return status;
    if (node->count == 0) return REFUSE(reading, node, "then expects nothing; that no event comes is []");
    if (members[EVENTS].value != NULL && members[REJECTED].value != NULL)
        return REFUSE(reading, members[REJECTED].value, "a command that is rejected has no events");
    if (members[STATE].value != NULL && members[STATE_HAS].value != NULL)
        return REFUSE(reading, members[STATE_HAS].value, "state is all of it, state_has a part: give one of them");
    if (members[EVENTS].value != NULL) {
        example->expects_events = true;
        status = take_events(reading, members[EVENTS].value, "events", true, &example->events, &example->event_count);
    }
    if (status == VARVE_OK && members[REJECTED].value != NULL)
        status = take_rejection(reading, members[REJECTED].value, example);
    if (status == VARVE_OK && state != NULL) {
        example->state.is_part = members[STATE_HAS].value != NULL;
        status = take_json(reading, state, &example->state.json);
    }
    return status;
}

static varve_status take_example(struct reading *reading, const struct yaml_node *node, struct spec_example *example)
{
    enum { NAME, STREAM, GIVEN, WHEN, THEN };
    struct member members[] = {
        [NAME] = { "name", NULL }, [STREAM] = { "stream", NULL }, [GIVEN] = { "given", NULL },
        [WHEN] = { "when", NULL }, [THEN] = { "then", NULL },     { NULL, NULL },
    };
    example->place = place_of(node);
    example->stream = reading->stream;
    varve_status status = take_members(reading, node, "an example", members);
    if (status < 0) return status;
    if (members[NAME].value == NULL) return REFUSE(reading, node, "an example needs a name");
    status = take_name(reading, members[NAME].value, "an example's name", &example->name);
    if (status == VARVE_OK && members[STREAM].value != NULL)
        status = take_name(reading, members[STREAM].value, "stream", &example->stream);
    if (status == VARVE_OK && example->stream.len == 0)
        return REFUSE(reading, node, "which stream? 'stream: order-1' in the example, or for all at the top");
    if (status == VARVE_OK && members[GIVEN].value != NULL)
        status = take_events(reading, members[GIVEN].value, "given", false, &example->given, &example->given_count);
    if (status == VARVE_OK && members[WHEN].value != NULL) {
        example->has_command = true;
        status = take_command(reading, members[WHEN].value, &example->command);
    }
    if (status == VARVE_OK && members[THEN].value == NULL) return REFUSE(reading, node, "an example needs a then");
    if (status == VARVE_OK) status = take_outcome(reading, members[THEN].value, example);
    if (status == VARVE_OK && !example->has_command && (example->expects_events || example->expects_rejection))
        return REFUSE(reading, members[THEN].value, "without a when there is only a state to expect");
    return status;
}

/* By name each example is found again, so a name stands once. The first that has it is told. */
static varve_status check_names(struct reading *reading, const struct yaml_node *list)
{
    const struct spec_file *file = reading->file;
    for (size_t i = 1; i < file->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (varve_str_eq(file->examples[i].name, file->examples[j].name))
                return REFUSE(reading, &list->children[i], "the example in line %u has this name too",
                              file->examples[j].place.line);
        }
    }
    return VARVE_OK;
}

static varve_status take_file(struct reading *reading)
{
    enum { STREAM, EXAMPLES };
    struct member members[] = { [STREAM] = { "stream", NULL }, [EXAMPLES] = { "examples", NULL }, { NULL, NULL } };
    struct spec_file *file = reading->file;
    varve_status status = take_members(reading, &reading->document.root, "a file of examples", members);
    const struct yaml_node *list = members[EXAMPLES].value;
    if (status < 0) return status;
    if (members[STREAM].value != NULL) status = take_name(reading, members[STREAM].value, "stream", &reading->stream);
    if (status < 0) return status;
    if (list == NULL || list->kind != YAML_SEQUENCE || list->count == 0)
        return REFUSE(reading, list == NULL ? &reading->document.root : list, "examples must be a list of examples");
    if (list->count > SPEC_EXAMPLES_MAX) return REFUSE(reading, list, "more than %u examples", SPEC_EXAMPLES_MAX);
    status = make_array(reading, list->count, sizeof *file->examples, &file->examples);
    for (size_t i = 0; i < list->count && status == VARVE_OK; i++) {
        status = take_example(reading, &list->children[i], &file->examples[i]);
        file->count = i + 1;
    }
    return status < 0 ? status : check_names(reading, list);
}

varve_status spec_file_read(struct spec_file *file, const char *name, varve_str text, varve_error *error)
{
    struct reading reading = { .file = file, .error = error };
    file->name = name;
    varve_status status = yaml_read(&reading.document, name, text, &file->arena, error);
    if (status == VARVE_OK) status = take_file(&reading);
    varve_buf_fini(&reading.json);
    return status;
}

void spec_file_fini(struct spec_file *file)
{
    arena_fini(&file->arena);
    *file = (struct spec_file){ 0 };
}
