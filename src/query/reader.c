/* SPDX-License-Identifier: Apache-2.0 */
#include "query/reader.h"

#include <stdio.h>
#include <stdlib.h>

static varve_status attach(struct reader *reader, size_t i, varve_error *error)
{
    const struct reader_home *home = reader->home;
    char name[128];
    varve_buf path = { 0 };
    varve_str model = reader->file->reads[i];
    snprintf(name, sizeof name, "%.*s", (int)model.len, model.ptr);
    reader->numbers[i] = generation_serving(home->folder, model);
    if (reader->numbers[i] == 0) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "projection %s has no read model yet", name);
    }
    generation_path(home->folder, model, reader->numbers[i], &path);
    varve_status status = path.failed ? varve_error_set(error, VARVE_NOMEM, "no memory to open a read model")
                                      : home->sql->attach(reader->session, path.ptr, name, error);
    if (status == VARVE_OK) {
        status = checkpoint_prepare(&reader->checkpoints[i], home->sql, reader->session, name, error);
    }
    varve_buf_fini(&path);
    return status;
}

varve_status reader_open(struct reader **out, const struct reader_home *home, const struct sqlfile *file,
                         varve_str text, varve_error *error)
{
    varve_error refusal = { 0 };
    *out = NULL;
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return varve_error_set(error, VARVE_NOMEM, "no memory to ask a query");
    }
    reader->home = home;
    reader->file = file;
    varve_status status = home->sql->open(&reader->session, "", SQL_READ_ONLY, error);
    for (size_t i = 0; status == VARVE_OK && i < file->read_count; i++) {
        status = attach(reader, i, error);
    }
    if (status == VARVE_OK) {
        status = home->sql->prepare(&reader->question, reader->session, text, SQL_QUESTION, &refusal);
        if (status == VARVE_INVALID) {
            /* It was checked against the models as they are declared, so what serves is something else. */
            status = varve_error_set(error, VARVE_UNAVAILABLE, "query %.*s does not fit the models that serve now: %s",
                                     (int)file->name.len, file->name.ptr, refusal.message);
        } else if (status < 0 && error != NULL) {
            *error = refusal;
        }
    }
    if (status < 0) {
        reader_close(reader);
        reader = NULL;
    }
    *out = reader;
    return status;
}

void reader_close(struct reader *reader)
{
    if (reader != NULL) {
        const struct sql_driver *sql = reader->home->sql;
        for (size_t i = 0; i < SQLFILE_READS_MAX; i++) {
            sql->finalize(reader->checkpoints[i]);
        }
        sql->finalize(reader->question);
        sql->close(reader->session);
        free(reader);
    }
}

bool reader_is_current(const struct reader *reader)
{
    bool current = true;
    for (size_t i = 0; current && i < reader->file->read_count; i++) {
        current = generation_serving(reader->home->folder, reader->file->reads[i]) == reader->numbers[i];
    }
    return current;
}

varve_status reader_begin(struct reader *reader, uint32_t limit_ms, uint64_t *position, varve_error *error)
{
    const struct sql_driver *sql = reader->home->sql;
    *position = UINT64_MAX;
    sql->set_time_limit(reader->session, limit_ms);
    varve_status status = sql->begin(reader->session, error);
    for (size_t i = 0; status == VARVE_OK && i < reader->file->read_count; i++) {
        struct checkpoint checkpoint;
        status = checkpoint_read(reader->checkpoints[i], sql, reader->home->incarnation, &checkpoint, error);
        uint64_t at = checkpoint.ours ? checkpoint.position : 0;
        *position = at < *position ? at : *position;
    }
    /* The snapshot stands now; see the head of reader.h. */
    if (!reader_is_current(reader)) {
        status = VARVE_DONE;
    }
    if (status != VARVE_OK) {
        reader_end(reader);
    }
    return status;
}

void reader_end(struct reader *reader)
{
    reader->home->sql->rollback(reader->session);
    reader->home->sql->set_time_limit(reader->session, 0);
}
