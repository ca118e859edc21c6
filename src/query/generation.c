/* SPDX-License-Identifier: Apache-2.0 */
#include "query/generation.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NUMBER_DIGITS_MAX 18u

void generation_path(const char *folder, varve_str name, uint64_t number, varve_buf *path)
{
    varve_buf_printf(path, "%s/%.*s.%llu.db", folder, (int)name.len, name.ptr, (unsigned long long)number);
}

static void link_path(const char *folder, varve_str name, const char *suffix, varve_buf *path)
{
    varve_buf_printf(path, "%s/%.*s.db%s", folder, (int)name.len, name.ptr, suffix);
}

/* The number in "NAME.12.db…"; 0 when the file is none of this projection's. `*rest` is what follows ".db". */
static uint64_t number_in(const char *file, varve_str name, const char **rest)
{
    uint64_t number = 0;
    if (strncmp(file, name.ptr, name.len) != 0 || file[name.len] != '.') {
        return 0;
    }
    const char *digits = file + name.len + 1;
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || len > NUMBER_DIGITS_MAX || strncmp(digits + len, ".db", 3) != 0) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        number = number * 10 + (uint64_t)(digits[i] - '0');
    }
    *rest = digits + len + 3;
    return number;
}

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for a read model");
}

varve_status generation_find(uint64_t *number, const char *folder, varve_str name, varve_error *error)
{
    char target[128];
    const char *rest = NULL;
    varve_status status = VARVE_OK;
    varve_buf path = { 0 };
    *number = 0;
    link_path(folder, name, "", &path);
    ssize_t len = path.failed ? -1 : readlink(path.ptr, target, sizeof target - 1);
    if (path.failed) {
        status = no_memory(error);
    } else if (len >= 0) {
        target[len] = '\0';
        uint64_t named = number_in(target, name, &rest);
        *number = named > 0 && *rest == '\0' ? named : 0;
    } else if (errno != ENOENT) {
        status = varve_error_set(error, VARVE_IO, "%s: %s", path.ptr, strerror(errno));
    }
    varve_buf_fini(&path);
    return status;
}

uint64_t generation_serving(const char *folder, varve_str name)
{
    uint64_t number = 0;
    generation_find(&number, folder, name, NULL);
    return number;
}

static bool is_side_file(const struct sql_driver *sql, const char *suffix)
{
    if (*suffix == '\0') {
        return true;
    }
    for (const char *const *side = sql->side_files; side != NULL && *side != NULL; side++) {
        if (strcmp(suffix, *side) == 0) {
            return true;
        }
    }
    return false;
}

uint64_t generation_clean(const struct generation_home *home, uint64_t serving)
{
    uint64_t highest = serving;
    DIR *folder = opendir(home->folder);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *rest = NULL;
        uint64_t number = number_in(entry->d_name, home->file->name, &rest);
        highest = number > highest ? number : highest;
        if (number > 0 && number != serving && is_side_file(home->sql, rest)) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return highest + 1;
}

static void remove_files(const struct generation_home *home, uint64_t number)
{
    varve_buf path = { 0 };
    generation_path(home->folder, home->file->name, number, &path);
    size_t len = path.len;
    if (!path.failed) {
        unlink(path.ptr);
    }
    for (const char *const *side = home->sql->side_files; side != NULL && *side != NULL; side++) {
        path.len = len;
        varve_buf_str(&path, varve_str_of(*side));
        if (!path.failed) {
            unlink(path.ptr);
        }
    }
    varve_buf_fini(&path);
}

varve_status checkpoint_prepare(struct sql_statement **statement, const struct sql_driver *sql,
                                struct sql_session *session, const char *schema, varve_error *error)
{
    varve_buf text = { 0 };
    varve_buf_printf(&text, "SELECT version, incarnation, position, event_id FROM \"%s\".varve_checkpoint", schema);
    varve_status status = text.failed ? varve_error_set(error, VARVE_NOMEM, "no memory to read a checkpoint")
                                      : sql->prepare(statement, session, varve_buf_view(&text), SQL_OURS, error);
    varve_buf_fini(&text);
    return status;
}

varve_status checkpoint_read(struct sql_statement *statement, const struct sql_driver *sql, const char *incarnation,
                             struct checkpoint *checkpoint, varve_error *error)
{
    struct sql_value version, owner, position, id;
    *checkpoint = (struct checkpoint){ 0 };
    varve_status status = sql->step(statement, error);
    if (status == VARVE_DONE) {
        status = varve_error_set(error, VARVE_CORRUPT, "the model has no checkpoint");
    } else if (status == VARVE_OK) {
        sql->column(statement, 0, &version);
        sql->column(statement, 1, &owner);
        sql->column(statement, 2, &position);
        sql->column(statement, 3, &id);
        checkpoint->version = (uint32_t)version.integer;
        checkpoint->ours = varve_str_is(owner.text, incarnation);
        checkpoint->position = position.integer > 0 ? (uint64_t)position.integer : 0;
        if (checkpoint->position > 0 && varve_uuid_parse(&checkpoint->id, id.text, NULL) < 0) {
            checkpoint->ours = false;
        }
    }
    sql->reset(statement);
    return status;
}

/*
 * A file that is there and cannot be opened: the system's limits or its permissions are in the way, and not for
 * ever. It is no reason to take the model for missing.
 */
static varve_status unless_unopened(varve_status status, varve_error *error)
{
    if (status != VARVE_NOT_FOUND) {
        return status;
    }
    if (error != NULL) {
        error->status = VARVE_IO;
        error->flags |= VARVE_ERROR_RETRIABLE;
    }
    return VARVE_IO;
}

static varve_status open_session(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    varve_buf path = { 0 };
    generation_path(home->folder, home->file->name, generation->number, &path);
    varve_error refusal = { 0 };
    varve_status status =
        path.failed ? no_memory(&refusal) : home->sql->open(&generation->session, path.ptr, SQL_READ_WRITE, &refusal);
    if (status < 0) {
        varve_error_set(error, status, "%s: %s", path.failed ? home->folder : path.ptr, refusal.message);
        status = unless_unopened(status, error);
    }
    varve_buf_fini(&path);
    return status;
}

/* VARVE_CORRUPT when the generation has no file; opening would make one. */
static varve_status check_file(const struct generation_home *home, uint64_t number, varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_buf path = { 0 };
    generation_path(home->folder, home->file->name, number, &path);
    if (path.failed) {
        status = no_memory(error);
    } else if (access(path.ptr, F_OK) < 0) {
        status = errno == ENOENT ? VARVE_CORRUPT : VARVE_IO;
        varve_error_set(error, status, "%s: %s", path.ptr, strerror(errno));
    }
    varve_buf_fini(&path);
    return status;
}

/* Prepares moving the checkpoint. */
static varve_status prepare(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    return home->sql->prepare(
        &generation->update, generation->session,
        VARVE_STR("UPDATE varve_checkpoint SET incarnation = :incarnation, position = :position, event_id = :id"),
        SQL_OURS, error);
}

/* Prepares the projection's statements. */
static varve_status open_projection(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    return projection_open(&generation->projection, home->file, home->sql, generation->session, error);
}

static varve_status write_checkpoint(struct generation *generation, const char *incarnation, uint64_t position,
                                     varve_uuid id, varve_error *error)
{
    const struct sql_driver *sql = generation->home->sql;
    char text[VARVE_UUID_TEXT_BYTES] = "";
    if (position > 0) {
        varve_uuid_format(id, text);
    }
    const struct sql_value values[] = {
        { .kind = SQL_TEXT, .text = varve_str_of(incarnation) },
        { .kind = SQL_INTEGER, .integer = (int64_t)position },
        { .kind = SQL_TEXT, .text = varve_str_of(text) },
    };
    varve_status status = VARVE_OK;
    for (int i = 0; status == VARVE_OK && i < 3; i++) {
        status = sql->bind(generation->update, i + 1, &values[i], error);
    }
    if (status == VARVE_OK) {
        status = sql->step(generation->update, error);
    }
    sql->reset(generation->update);
    return status < 0 ? status : VARVE_OK;
}

/* Fills a new file in one transaction, so that a crash leaves all of it or nothing. */
static varve_status fill(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    const struct sql_driver *sql = home->sql;
    varve_buf row = { 0 };
    varve_buf_printf(&row, "INSERT INTO varve_checkpoint VALUES ('%.*s', %u, '%s', 0, '')", (int)home->file->name.len,
                     home->file->name.ptr, home->file->version, home->incarnation);
    varve_status status = row.failed ? no_memory(error) : sql->begin(generation->session, error);
    if (status == VARVE_OK) {
        status = sql->exec(generation->session,
                           "CREATE TABLE varve_checkpoint (projection TEXT NOT NULL, version INTEGER NOT NULL,"
                           " incarnation TEXT NOT NULL, position INTEGER NOT NULL, event_id TEXT NOT NULL)",
                           error);
    }
    if (status == VARVE_OK) {
        status = sql->exec(generation->session, row.ptr, error);
    }
    if (status == VARVE_OK) {
        status = projection_create(home->file, sql, generation->session, error);
    }
    if (status == VARVE_OK) {
        status = sql->commit(generation->session, error);
    }
    if (status < 0 && generation->session != NULL) {
        sql->rollback(generation->session);
    }
    varve_buf_fini(&row);
    return status;
}

static struct generation *generation_new(const struct generation_home *home, uint64_t number)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation != NULL) {
        generation->home = home;
        generation->number = number;
    }
    return generation;
}

varve_status generation_create(struct generation **out, const struct generation_home *home, uint64_t number,
                               varve_error *error)
{
    *out = NULL;
    struct generation *generation = generation_new(home, number);
    if (generation == NULL) {
        return no_memory(error);
    }
    varve_status status = open_session(generation, error);
    if (status == VARVE_OK) {
        status = fill(generation, error);
    }
    if (status == VARVE_OK) {
        generation->checkpoint = (struct checkpoint){ .version = home->file->version, .ours = true };
        status = prepare(generation, error);
    }
    if (status == VARVE_OK) {
        status = open_projection(generation, error);
    }
    status = unless_unopened(status, error);
    if (status < 0) {
        generation_remove(generation);
        generation = NULL;
    }
    *out = generation;
    return status;
}

varve_status generation_open(struct generation **out, const struct generation_home *home, uint64_t number,
                             varve_error *error)
{
    struct sql_statement *read = NULL;
    *out = NULL;
    struct generation *generation = generation_new(home, number);
    if (generation == NULL) {
        return no_memory(error);
    }
    varve_status status = check_file(home, number, error);
    if (status == VARVE_OK) {
        status = open_session(generation, error);
    }
    if (status == VARVE_OK) {
        status = checkpoint_prepare(&read, home->sql, generation->session, "main", error);
    }
    if (status == VARVE_OK) {
        status = checkpoint_read(read, home->sql, home->incarnation, &generation->checkpoint, error);
    }
    home->sql->finalize(read);
    if (status == VARVE_OK) {
        status = prepare(generation, error);
    }
    /* No checkpoint, or not as we make it: the file is not one of ours. */
    if (status == VARVE_INVALID) {
        status = VARVE_CORRUPT;
    }
    if (status == VARVE_OK && generation->checkpoint.version == home->file->version) {
        status = open_projection(generation, error);
        /* The same version with other tables: as good as another version. */
        if (status == VARVE_INVALID) {
            status = VARVE_OK;
        }
    }
    status = unless_unopened(status, error);
    if (status < 0) {
        generation_close(generation);
        generation = NULL;
    }
    *out = generation;
    return status;
}

void generation_close(struct generation *generation)
{
    if (generation == NULL) {
        return;
    }
    projection_close(generation->projection);
    generation->home->sql->finalize(generation->update);
    generation->home->sql->close(generation->session);
    free(generation);
}

void generation_remove(struct generation *generation)
{
    if (generation != NULL) {
        const struct generation_home *home = generation->home;
        uint64_t number = generation->number;
        generation_close(generation);
        remove_files(home, number);
    }
}

varve_status generation_begin(struct generation *generation, varve_error *error)
{
    return unless_unopened(generation->home->sql->begin(generation->session, error), error);
}

varve_status generation_apply(struct generation *generation, const varve_event *event, varve_error *error)
{
    return unless_unopened(projection_apply(generation->projection, event, error), error);
}

void generation_rollback(struct generation *generation)
{
    generation->home->sql->rollback(generation->session);
}

static varve_status commit_as(struct generation *generation, const char *incarnation, uint64_t position, varve_uuid id,
                              varve_error *error)
{
    varve_status status = write_checkpoint(generation, incarnation, position, id, error);
    if (status == VARVE_OK) {
        status = generation->home->sql->commit(generation->session, error);
    }
    if (status < 0) {
        generation_rollback(generation);
        return unless_unopened(status, error);
    }
    generation->checkpoint.position = position;
    generation->checkpoint.id = id;
    return VARVE_OK;
}

varve_status generation_commit(struct generation *generation, uint64_t position, varve_uuid id, varve_error *error)
{
    return commit_as(generation, generation->home->incarnation, position, id, error);
}

varve_status generation_disown(struct generation *generation, varve_error *error)
{
    varve_status status = generation_begin(generation, error);
    if (status == VARVE_OK) {
        status = commit_as(generation, "", 0, (varve_uuid){ { 0 } }, error);
        generation->checkpoint.ours = false;
    }
    return status;
}

varve_status generation_publish(const struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    varve_str name = home->file->name;
    varve_status status = VARVE_OK;
    varve_buf link = { 0 }, beside = { 0 }, target = { 0 };
    link_path(home->folder, name, "", &link);
    link_path(home->folder, name, ".new", &beside);
    varve_buf_printf(&target, "%.*s.%llu.db", (int)name.len, name.ptr, (unsigned long long)generation->number);
    if (link.failed || beside.failed || target.failed) {
        status = no_memory(error);
    } else if ((unlink(beside.ptr) < 0 && errno != ENOENT) || symlink(target.ptr, beside.ptr) < 0 ||
               rename(beside.ptr, link.ptr) < 0) {
        status = varve_error_set(error, VARVE_IO, "%s: %s", link.ptr, strerror(errno));
    }
    varve_buf_fini(&link);
    varve_buf_fini(&beside);
    varve_buf_fini(&target);
    return status;
}

varve_status generation_peek(const struct generation_home *home, struct checkpoint *checkpoint, varve_error *error)
{
    struct sql_session *session = NULL;
    struct sql_statement *read = NULL;
    varve_buf path = { 0 };
    *checkpoint = (struct checkpoint){ 0 };
    uint64_t number = generation_serving(home->folder, home->file->name);
    if (number == 0) {
        return varve_error_set(error, VARVE_NOT_FOUND, "projection %.*s has no read model yet",
                               (int)home->file->name.len, home->file->name.ptr);
    }
    generation_path(home->folder, home->file->name, number, &path);
    varve_status status = path.failed ? no_memory(error) : home->sql->open(&session, path.ptr, SQL_READ_ONLY, error);
    if (status == VARVE_OK) {
        status = checkpoint_prepare(&read, home->sql, session, "main", error);
    }
    if (status == VARVE_OK) {
        status = checkpoint_read(read, home->sql, home->incarnation, checkpoint, error);
    }
    home->sql->finalize(read);
    home->sql->close(session);
    varve_buf_fini(&path);
    return status;
}
