/* SPDX-License-Identifier: Apache-2.0 */
#include "query/model.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "query/statement.h"

/* A statement that was run before. */
struct kept {
    uint64_t hash; /* of its text … */
    varve_str text;
    struct sqlfile *file; /* … whose memory has it, and its parameters' names */
    struct sql_statement *prepared;
    varve_str *names; /* of its parameters: the i-th is number i + 1 */
    uint64_t used;    /* when it was last run, in calls */
};

struct varve_model {
    const struct sql_driver *sql;
    struct sql_session *session;
    struct kept kept[VARVE_MODEL_STATEMENTS_MAX];
    size_t kept_count;
    uint64_t calls;
    struct kept *asked; /* its rows are being taken */
    bool swift;         /* for the event at hand */
    varve_error failure;
    struct arena row; /* the asked statement's columns */
    varve_str *names;
    varve_value *values;
    size_t column_count;
};

varve_status model_open(varve_model **model, const struct sql_driver *sql, struct sql_session *session,
                        varve_error *error)
{
    varve_model *made = *model = calloc(1, sizeof *made);
    if (made == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a projection");
    }
    made->sql = sql;
    made->session = session;
    return VARVE_OK;
}

static void let_go(const struct varve_model *model, struct kept *kept)
{
    model->sql->finalize(kept->prepared);
    sqlfile_free(kept->file);
    *kept = (struct kept){ 0 };
}

void model_close(varve_model *model)
{
    if (model == NULL) {
        return;
    }
    for (size_t i = 0; i < model->kept_count; i++) {
        let_go(model, &model->kept[i]);
    }
    arena_fini(&model->row);
    free(model);
}

/* The rows that were asked for are not wanted any more. */
static void end_question(varve_model *model)
{
    if (model->asked != NULL) {
        model->sql->reset(model->asked->prepared);
        model->asked = NULL;
    }
}

void model_begin(varve_model *model, bool swift)
{
    model->swift = swift;
    model->failure = (varve_error){ 0 };
}

varve_status model_end(varve_model *model, varve_error *error)
{
    end_question(model);
    if (model->failure.status < 0 && error != NULL) {
        *error = model->failure;
    }
    return model->failure.status;
}

/* The first failure is the event's. */
static varve_status fail(varve_model *model, const varve_error *cause, varve_error *error)
{
    end_question(model);
    if (model->failure.status >= 0) {
        model->failure = *cause;
    }
    if (error != NULL) {
        *error = model->failure;
    }
    return model->failure.status;
}

/* ---- statements ---- */

static struct kept *find_kept(varve_model *model, varve_str text, uint64_t hash)
{
    for (size_t i = 0; i < model->kept_count; i++) {
        if (model->kept[i].hash == hash && varve_str_eq(model->kept[i].text, text)) {
            return &model->kept[i];
        }
    }
    return NULL;
}

/* A free place, or that of the statement that was not run for longest. */
static struct kept *make_room(varve_model *model)
{
    if (model->kept_count < VARVE_MODEL_STATEMENTS_MAX) {
        return &model->kept[model->kept_count++];
    }
    struct kept *oldest = &model->kept[0];
    for (size_t i = 1; i < model->kept_count; i++) {
        oldest = model->kept[i].used < oldest->used ? &model->kept[i] : oldest;
    }
    let_go(model, oldest);
    return oldest;
}

static varve_status prepare(varve_model *model, varve_str text, struct kept *kept, varve_error *error)
{
    varve_status status = sqlfile_parse(&kept->file, SQLFILE_STATEMENT, "statement", text, model->sql->name, error);
    if (status < 0) {
        return status;
    }
    kept->names = arena_array(&kept->file->arena, kept->file->param_count + 1, sizeof *kept->names);
    if (kept->names == NULL || !arena_copy(&kept->file->arena, text, &kept->text)) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a statement");
    }
    size_t count = 0;
    for (const struct sqlfile_param *param = kept->file->params; param != NULL; param = param->next) {
        kept->names[count++] = param->name;
    }
    return statement_prepare(&kept->prepared, kept->file, kept->file->question->statements, model->sql, model->session,
                             SQL_CHANGE, error);
}

static varve_status find_statement(varve_model *model, varve_str text, struct kept **found, varve_error *error)
{
    uint64_t hash = hash_str(text);
    *found = find_kept(model, text, hash);
    if (*found == NULL) {
        struct kept made = { .hash = hash };
        varve_status status = prepare(model, text, &made, error);
        if (status < 0) {
            let_go(model, &made);
            return status;
        }
        *found = make_room(model);
        **found = made;
    }
    (*found)->used = ++model->calls;
    return VARVE_OK;
}

/* ---- values ---- */

/* What databases disagree about is refused by both. */
static varve_status read_value(const varve_model_param *param, struct sql_value *value, varve_error *error)
{
    static const enum sql_kind kinds[] = {
        [VARVE_VALUE_NULL] = SQL_NULL, [VARVE_VALUE_INTEGER] = SQL_INTEGER, [VARVE_VALUE_REAL] = SQL_REAL,
        [VARVE_VALUE_TEXT] = SQL_TEXT, [VARVE_VALUE_BLOB] = SQL_BLOB,       [VARVE_VALUE_BOOLEAN] = SQL_BOOLEAN,
        [VARVE_VALUE_JSON] = SQL_JSON,
    };
    const varve_value *given = &param->value;
    const char *problem = NULL;
    if ((unsigned)given->kind > VARVE_VALUE_JSON) {
        problem = "a value of no kind";
    } else if (given->kind == VARVE_VALUE_REAL && !isfinite(given->real)) {
        problem = "not a finite number";
    } else if (given->kind == VARVE_VALUE_JSON && json_check(given->text, "", NULL) < 0) {
        problem = "not JSON";
    } else if (given->kind == VARVE_VALUE_TEXT && given->text.len > 0 &&
               (!utf8_valid(given->text) || memchr(given->text.ptr, '\0', given->text.len) != NULL)) {
        problem = "not UTF-8 text without NUL";
    }
    if (problem != NULL) {
        return varve_error_set(error, VARVE_INVALID, "the parameter :%.*s is %s", (int)param->name.len, param->name.ptr,
                               problem);
    }
    *value = (struct sql_value){ .kind = kinds[given->kind] };
    switch (given->kind) {
    case VARVE_VALUE_INTEGER:
        value->integer = given->integer;
        break;
    case VARVE_VALUE_BOOLEAN:
        value->integer = given->integer != 0;
        break;
    case VARVE_VALUE_REAL:
        value->real = given->real;
        break;
    default:
        value->text = given->text;
        break;
    }
    return VARVE_OK;
}

/* A parameter's number; mostly they come in their own order. 0: there is none. */
static int number_of(const struct kept *kept, varve_str name, size_t guess)
{
    size_t count = kept->file->param_count;
    for (size_t i = 0; i < count; i++) {
        size_t at = (guess + i) % count;
        if (varve_str_eq(kept->names[at], name)) {
            return (int)at + 1;
        }
    }
    return 0;
}

static varve_status bind(const struct varve_model *model, const struct kept *kept, const varve_model_param *params,
                         size_t count, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (size_t i = 0; status == VARVE_OK && i < count; i++) {
        struct sql_value value = { 0 };
        int number = number_of(kept, params[i].name, i);
        status = number == 0
                     ? varve_error_set(error, VARVE_INVALID, "the statement has no parameter :%.*s",
                                       (int)(params[i].name.len > 80 ? 80 : params[i].name.len), params[i].name.ptr)
                     : read_value(&params[i], &value, error);
        if (status == VARVE_OK) {
            status = model->sql->bind(kept->prepared, number, &value, error);
        }
    }
    return status;
}

/* ---- running ---- */

/* Makes a statement ready to be stepped through. */
static varve_status start(varve_model *model, varve_str text, const varve_model_param *params, size_t count,
                          struct kept **kept, varve_error *cause)
{
    end_question(model);
    *kept = NULL;
    if (model->failure.status < 0) {
        return model->failure.status;
    }
    varve_status status = find_statement(model, text, kept, cause);
    return status < 0 ? status : bind(model, *kept, params, count, cause);
}

varve_status varve_model_run(varve_model *model, varve_str statement, const varve_model_param *params,
                             size_t param_count, varve_error *error)
{
    struct kept *kept = NULL;
    varve_error cause = { 0 };
    varve_status status = start(model, statement, params, param_count, &kept, &cause);
    if (model->swift && status == VARVE_OK) {
        status = model->sql->run(kept->prepared, &cause);
    }
    while (!model->swift && status == VARVE_OK) {
        status = model->sql->step(kept->prepared, &cause);
    }
    if (kept != NULL) {
        model->sql->reset(kept->prepared);
    }
    return status < 0 ? fail(model, &cause, error) : VARVE_OK;
}

/* Room for the rows of the statement that was asked. */
static varve_status make_columns(varve_model *model, const struct kept *kept, varve_error *error)
{
    size_t count = (size_t)model->sql->column_count(kept->prepared);
    arena_reset(&model->row);
    model->names = arena_array(&model->row, count + 1, sizeof *model->names);
    model->values = arena_array(&model->row, count + 1, sizeof *model->values);
    if (model->names == NULL || model->values == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a row");
    }
    for (size_t i = 0; i < count; i++) {
        model->names[i] = varve_str_of(model->sql->column_name(kept->prepared, (int)i));
    }
    model->column_count = count;
    return VARVE_OK;
}

varve_status varve_model_ask(varve_model *model, varve_str statement, const varve_model_param *params,
                             size_t param_count, varve_error *error)
{
    struct kept *kept = NULL;
    varve_error cause = { 0 };
    varve_status status = start(model, statement, params, param_count, &kept, &cause);
    if (status == VARVE_OK) {
        status = make_columns(model, kept, &cause);
    }
    if (status == VARVE_OK) {
        model->asked = kept;
        return VARVE_OK;
    }
    if (kept != NULL) {
        model->sql->reset(kept->prepared);
    }
    return fail(model, &cause, error);
}

static void read_column(varve_model *model, int column, varve_value *value)
{
    static const varve_value_kind kinds[] = {
        [SQL_NULL] = VARVE_VALUE_NULL, [SQL_INTEGER] = VARVE_VALUE_INTEGER, [SQL_REAL] = VARVE_VALUE_REAL,
        [SQL_TEXT] = VARVE_VALUE_TEXT, [SQL_BLOB] = VARVE_VALUE_BLOB,       [SQL_BOOLEAN] = VARVE_VALUE_BOOLEAN,
        [SQL_JSON] = VARVE_VALUE_JSON,
    };
    struct sql_value read = { 0 };
    model->sql->column(model->asked->prepared, column, &read);
    *value = (varve_value){ kinds[read.kind], read.integer, read.real, read.text };
}

varve_status varve_model_next(varve_model *model, varve_model_row *row, varve_error *error)
{
    varve_error cause = { 0 };
    if (model->failure.status < 0) {
        return fail(model, &model->failure, error);
    }
    if (model->asked == NULL) {
        return VARVE_DONE;
    }
    varve_status status = model->sql->step(model->asked->prepared, &cause);
    if (status < 0) {
        return fail(model, &cause, error);
    }
    if (status == VARVE_DONE) {
        end_question(model);
        return VARVE_DONE;
    }
    for (size_t i = 0; i < model->column_count; i++) {
        read_column(model, (int)i, &model->values[i]);
    }
    *row = (varve_model_row){ model->column_count, model->names, model->values };
    return VARVE_OK;
}
