/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statements of a projection's file. For each type of event there is a plan: which statements run, and the values
 * that all of them take from the event, which are gathered first, in one reading of its data and one of its metadata.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/json_pick.h"
#include "event/codec.h"
#include "query/projection_kind.h"
#include "query/statement.h"

/* A value that statements take from an event; the same placeholder is the same slot in all statements of a plan. */
struct slot {
    enum sqlfile_source source;
    varve_str path;
    size_t picked; /* with a path: which of what was picked */
};

struct change {
    const struct sqlfile_statement *source;
    struct sql_statement *prepared;
};

/* One change of a plan, and the slots that its parameters get, in order. */
struct run {
    const struct change *change;
    size_t *slots;
};

struct plan {
    varve_str type;
    struct run *runs; /* in the file's order */
    size_t run_count;
    struct slot *slots;
    size_t slot_count;
    struct json_pick data, metadata; /* the paths */

    /* For the event at hand. */
    struct json_picked *data_picked, *metadata_picked;
    struct sql_value *values; /* of the slots */
};

struct statements {
    const struct sqlfile *file;
    const struct sql_driver *sql;
    struct arena arena; /* everything below */
    struct change *changes;
    size_t change_count;
    struct plan **plans; /* by the hash of their type; a power of two of places, half of them free */
    size_t plan_places;
    struct plan *last; /* for the type that came last */

    /* For the event at hand: texts that are not the event's own. */
    struct arena texts;
    varve_buf scratch;
};

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for a projection");
}

/* ---- plans ---- */

/* The place of the type's plan, or where it goes. */
static struct plan **find_plan(const struct statements *statements, varve_str type)
{
    size_t place = (size_t)hash_str(type) & (statements->plan_places - 1);
    while (statements->plans[place] != NULL && !varve_str_eq(statements->plans[place]->type, type)) {
        place = (place + 1) & (statements->plan_places - 1);
    }
    return &statements->plans[place];
}

static bool concerns(const struct sqlfile_section *section, varve_str type)
{
    for (size_t i = 0; i < section->type_count; i++) {
        if (varve_str_eq(section->types[i], type)) {
            return true;
        }
    }
    return false;
}

/* The slot for a placeholder; false when memory is out. */
static bool take_slot(struct statements *statements, struct plan *plan, const struct sqlfile_placeholder *place,
                      size_t *slot)
{
    for (*slot = 0; *slot < plan->slot_count; (*slot)++) {
        if (plan->slots[*slot].source == place->source && varve_str_eq(plan->slots[*slot].path, place->path)) {
            return true;
        }
    }
    struct slot *made = &plan->slots[plan->slot_count++];
    *made = (struct slot){ .source = place->source, .path = place->path };
    struct json_pick *pick = place->source == SQLFILE_DATA ? &plan->data : &plan->metadata;
    return place->path.len == 0 || json_pick_add(pick, &statements->arena, place->path, &made->picked);
}

/* Adds the change to the plan; the plan's arrays have room. */
static bool add_run(struct statements *statements, struct plan *plan, const struct change *change)
{
    struct run *run = &plan->runs[plan->run_count++];
    size_t number = 0;
    run->change = change;
    run->slots = arena_array(&statements->arena, change->source->placeholder_count + 1, sizeof *run->slots);
    const struct sqlfile_placeholder *place = change->source->placeholders;
    for (; run->slots != NULL && place != NULL; place = place->next) {
        if (!take_slot(statements, plan, place, &run->slots[number++])) {
            return false;
        }
    }
    return run->slots != NULL;
}

/* Makes the plan for a type, of all sections that concern it. NULL when memory is out. */
static struct plan *new_plan(struct statements *statements, varve_str type)
{
    struct arena *arena = &statements->arena;
    struct plan *plan = arena_array(arena, 1, sizeof *plan);
    size_t runs = 0, slots = 0, next = 0;
    const struct sqlfile_section *section = statements->file->handlers;
    for (; section != NULL; section = section->next) {
        const struct sqlfile_statement *statement = concerns(section, type) ? section->statements : NULL;
        for (; statement != NULL; statement = statement->next, runs++) {
            slots += statement->placeholder_count;
        }
    }
    bool good = plan != NULL;
    if (good) {
        plan->type = type;
        plan->runs = arena_array(arena, runs + 1, sizeof *plan->runs);
        plan->slots = arena_array(arena, slots + 1, sizeof *plan->slots);
        good = plan->runs != NULL && plan->slots != NULL;
    }
    for (section = statements->file->handlers; good && section != NULL; section = section->next) {
        bool ours = concerns(section, type);
        const struct sqlfile_statement *statement = section->statements;
        for (; good && statement != NULL; statement = statement->next, next++) {
            good = !ours || add_run(statements, plan, &statements->changes[next]);
        }
    }
    if (good) {
        plan->values = arena_array(arena, plan->slot_count + 1, sizeof *plan->values);
        plan->data_picked = arena_array(arena, plan->data.count + 1, sizeof *plan->data_picked);
        plan->metadata_picked = arena_array(arena, plan->metadata.count + 1, sizeof *plan->metadata_picked);
        good = plan->values != NULL && plan->data_picked != NULL && plan->metadata_picked != NULL;
    }
    return good ? plan : NULL;
}

static varve_status make_plans(struct statements *statements, varve_error *error)
{
    size_t types = 0;
    const struct sqlfile_section *section = statements->file->handlers;
    for (; section != NULL; section = section->next) {
        types += section->type_count;
    }
    for (statements->plan_places = 2; statements->plan_places < 2 * types;) {
        statements->plan_places *= 2;
    }
    statements->plans = arena_array(&statements->arena, statements->plan_places, sizeof(struct plan *));
    if (statements->plans == NULL) {
        return no_memory(error);
    }
    for (section = statements->file->handlers; section != NULL; section = section->next) {
        for (size_t i = 0; i < section->type_count; i++) {
            struct plan **plan = find_plan(statements, section->types[i]);
            if (*plan == NULL && (*plan = new_plan(statements, section->types[i])) == NULL) {
                return no_memory(error);
            }
        }
    }
    return VARVE_OK;
}

/* ---- opening ---- */

static varve_status prepare_changes(struct statements *statements, struct sql_session *session, varve_error *error)
{
    size_t count = 0;
    const struct sqlfile_section *section = statements->file->handlers;
    for (; section != NULL; section = section->next) {
        for (const struct sqlfile_statement *s = section->statements; s != NULL; s = s->next) {
            count++;
        }
    }
    statements->changes = arena_array(&statements->arena, count + 1, sizeof *statements->changes);
    if (statements->changes == NULL) {
        return no_memory(error);
    }
    for (section = statements->file->handlers; section != NULL; section = section->next) {
        for (const struct sqlfile_statement *s = section->statements; s != NULL; s = s->next) {
            struct change *change = &statements->changes[statements->change_count++];
            change->source = s;
            varve_status status =
                statement_prepare(&change->prepared, statements->file, s, statements->sql, session, SQL_CHANGE, error);
            if (status < 0) {
                return status;
            }
        }
    }
    return VARVE_OK;
}

static void close_statements(void *opened)
{
    struct statements *statements = opened;
    if (statements == NULL) {
        return;
    }
    for (size_t i = 0; i < statements->change_count; i++) {
        statements->sql->finalize(statements->changes[i].prepared);
    }
    arena_fini(&statements->arena);
    arena_fini(&statements->texts);
    varve_buf_fini(&statements->scratch);
    free(statements);
}

static varve_status open_statements(void **opened, const struct sqlfile *file, const struct sql_driver *sql,
                                    struct sql_session *session, varve_error *error)
{
    *opened = NULL;
    struct statements *statements = calloc(1, sizeof *statements);
    if (statements == NULL) {
        return no_memory(error);
    }
    statements->file = file;
    statements->sql = sql;
    varve_status status = prepare_changes(statements, session, error);
    if (status == VARVE_OK) {
        status = make_plans(statements, error);
    }
    if (status < 0) {
        close_statements(statements);
        return status;
    }
    *opened = statements;
    return VARVE_OK;
}

/* ---- values ---- */

/* A JSON value keeps its type. False when memory is out. */
static bool json_value(struct statements *statements, const struct json_picked *picked, struct sql_value *value)
{
    struct json_scanner scanner;
    value->text = picked->value;
    switch (picked->token) {
    case JSON_STRING:
        value->kind = SQL_TEXT;
        if (!picked->escaped) {
            return true;
        }
        varve_buf_reset(&statements->scratch);
        json_unescape(picked->value, &statements->scratch);
        return !statements->scratch.failed &&
               arena_copy(&statements->texts, varve_buf_view(&statements->scratch), &value->text);
    case JSON_INTEGER:
        *value = (struct sql_value){ .kind = SQL_INTEGER, .integer = picked->integer };
        return true;
    case JSON_REAL:
        json_start(&scanner, picked->value);
        json_next(&scanner);
        value->kind = SQL_REAL;
        value->real = json_double(&scanner);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *value = (struct sql_value){ .kind = SQL_BOOLEAN, .integer = picked->token == JSON_TRUE };
        return true;
    case JSON_OBJECT:
    case JSON_ARRAY:
        value->kind = SQL_JSON;
        return true;
    default:
        *value = (struct sql_value){ .kind = SQL_NULL };
        return true;
    }
}

static bool time_value(struct statements *statements, varve_time time, struct sql_value *value)
{
    char text[VARVE_TIME_TEXT_BYTES];
    varve_time_format(time, text);
    return arena_copy(&statements->texts, varve_str_of(text), &value->text);
}

/* What a slot stands for in this event. False when memory is out. */
static bool value_of(struct statements *statements, const struct plan *plan, const struct slot *slot,
                     const varve_event *event, struct sql_value *value)
{
    char text[VARVE_UUID_TEXT_BYTES];
    *value = (struct sql_value){ .kind = SQL_TEXT };
    switch (slot->source) {
    case SQLFILE_STREAM:
        value->text = event->stream;
        return true;
    case SQLFILE_AGGREGATE_ID:
        value->text = varve_stream_aggregate_id(event->stream);
        return true;
    case SQLFILE_TYPE:
        value->text = event->type;
        return true;
    case SQLFILE_VERSION:
    case SQLFILE_POSITION:
        value->kind = SQL_INTEGER;
        value->integer = (int64_t)(slot->source == SQLFILE_VERSION ? event->version : event->position);
        return true;
    case SQLFILE_ID:
        varve_uuid_format(event->id, text);
        return arena_copy(&statements->texts, varve_str_of(text), &value->text);
    case SQLFILE_OCCURRED_AT:
        return time_value(statements, event->occurred_at, value);
    case SQLFILE_RECORDED_AT:
        return time_value(statements, event->recorded_at, value);
    case SQLFILE_DATA:
        if (slot->path.len > 0) {
            return json_value(statements, &plan->data_picked[slot->picked], value);
        }
        value->kind = event_is_json(event) ? SQL_JSON : SQL_BLOB;
        value->text = event->data;
        return true;
    case SQLFILE_METADATA:
        if (slot->path.len > 0) {
            return json_value(statements, &plan->metadata_picked[slot->picked], value);
        }
        value->kind = SQL_JSON;
        value->text = event->metadata;
        return true;
    case SQLFILE_PARAM:
        break;
    }
    value->kind = SQL_NULL;
    return true;
}

/* What is no JSON has nothing at any path. */
static bool gather(struct statements *statements, struct plan *plan, const varve_event *event)
{
    (void)json_pick_read(&plan->data, event_is_json(event) ? event->data : VARVE_STR("null"), plan->data_picked);
    (void)json_pick_read(&plan->metadata, event->metadata, plan->metadata_picked);
    for (size_t i = 0; i < plan->slot_count; i++) {
        if (!value_of(statements, plan, &plan->slots[i], event, &plan->values[i])) {
            return false;
        }
    }
    return true;
}

/* ---- applying ---- */

static varve_status run_change(const struct statements *statements, const struct run *run,
                               const struct sql_value *values, bool swift, varve_error *error)
{
    const struct sql_driver *sql = statements->sql;
    struct sql_statement *prepared = run->change->prepared;
    const struct sqlfile_statement *source = run->change->source;
    varve_status status = VARVE_OK;
    varve_error refusal = { 0 };
    for (size_t i = 0; status == VARVE_OK && i < source->placeholder_count; i++) {
        status = sql->bind(prepared, (int)i + 1, &values[run->slots[i]], &refusal);
    }
    if (swift && status == VARVE_OK) {
        status = sql->run(prepared, &refusal);
    }
    while (!swift && status == VARVE_OK) {
        status = sql->step(prepared, &refusal);
    }
    sql->reset(prepared);
    if (status < 0) {
        varve_error_set(error, status, "%s:%u: %s", statements->file->file, source->line, refusal.message);
        if (error != NULL) {
            error->flags = refusal.flags;
        }
    }
    return status < 0 ? status : VARVE_OK;
}

static varve_status apply_statements(void *opened, const varve_event *event, bool swift, varve_error *error)
{
    struct statements *statements = opened;
    struct plan *plan = statements->last;
    if (plan == NULL || !varve_str_eq(plan->type, event->type)) {
        plan = *find_plan(statements, event->type);
        if (plan == NULL) {
            return VARVE_OK;
        }
        statements->last = plan;
    }
    varve_status status = gather(statements, plan, event)
                              ? VARVE_OK
                              : varve_error_set(error, VARVE_NOMEM, "no memory for an event's values");
    for (size_t i = 0; status == VARVE_OK && i < plan->run_count; i++) {
        status = run_change(statements, &plan->runs[i], plan->values, swift, error);
    }
    arena_reset(&statements->texts);
    return status;
}

const struct projection_kind projection_sql = { open_statements, apply_statements, close_statements };
