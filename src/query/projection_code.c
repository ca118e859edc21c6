/* SPDX-License-Identifier: Apache-2.0 */
/* A projection whose events are applied by functions: see varve/projector.h. */
#include <stdlib.h>

#include "query/model.h"
#include "query/projection_kind.h"

struct code {
    const struct sqlfile *file;
    varve_model *model;
    void *worker;
    bool has_worker; /* which was opened */
};

static void close_code(void *opened)
{
    struct code *code = opened;
    if (code == NULL) {
        return;
    }
    if (code->has_worker) {
        code->file->code->worker_close(code->worker);
    }
    model_close(code->model);
    free(code);
}

static varve_status open_code(void **opened, const struct sqlfile *file, const struct sql_driver *sql,
                              struct sql_session *session, varve_error *error)
{
    *opened = NULL;
    struct code *code = calloc(1, sizeof *code);
    if (code == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory for a projection");
    }
    code->file = file;
    code->worker = file->code_ctx;
    varve_status status = model_open(&code->model, sql, session, error);
    if (status == VARVE_OK && file->code->worker_open != NULL) {
        status = file->code->worker_open(file->code_ctx, &code->worker, error);
        code->has_worker = status >= 0;
    }
    if (status < 0) {
        close_code(code);
        return status;
    }
    *opened = code;
    return VARVE_OK;
}

static bool concerns(const struct code *code, varve_str type)
{
    const struct sqlfile_section *section = code->file->handlers;
    for (size_t i = 0; i < section->type_count; i++) {
        if (varve_str_eq(section->types[i], type)) {
            return true;
        }
    }
    return false;
}

/* What went wrong with a statement decides what happens next, whatever the code makes of it; the code says it best. */
static varve_status apply_code(void *opened, const varve_event *event, bool swift, varve_error *error)
{
    struct code *code = opened;
    varve_error own = { 0 }, statements = { 0 };
    if (!concerns(code, event->type)) {
        return VARVE_OK;
    }
    model_begin(code->model, swift);
    varve_status status = code->file->code->apply(code->worker, event, code->model, &own);
    varve_status failed = model_end(code->model, &statements);
    if (status >= 0 && failed >= 0) {
        return VARVE_OK;
    }
    if (failed < 0) {
        varve_error_set(error, failed, "%s", status < 0 && own.message[0] != '\0' ? own.message : statements.message);
        if (error != NULL) {
            error->flags = statements.flags;
        }
        return failed;
    }
    /* Other statuses mean something to the engine, and are not the code's to give. */
    status = (own.flags & VARVE_ERROR_RETRIABLE) != 0 ? VARVE_BUSY : VARVE_APPLICATION;
    return varve_error_set(error, status, "%s",
                           own.message[0] != '\0' ? own.message : "the projection says no more than that it failed");
}

const struct projection_kind projection_code = { open_code, apply_code, close_code };
