/* SPDX-License-Identifier: Apache-2.0 */
#include "query/generation.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/stored_hash.h"

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for a read model");
}

/*
 * What else models are made by, in the upper half, where upcasters are too: the tables and types of code, which has no
 * statements that could be held against a model's tables before they run; and how many parts keep a checkpoint.
 */
static uint64_t add_stamp(uint64_t version, uint64_t stamp)
{
    uint64_t folded = ((stamp ^ stamp >> 32) + (version >> 32)) & INT32_MAX;
    return (folded == 0 ? 1 : folded) << 32 | (version & UINT32_MAX);
}

varve_status generation_home_complete(struct generation_home *home, struct arena *arena, varve_error *error)
{
    static const struct upcasters none = { 0 };
    const struct upcasters *upcasters = home->upcasters == NULL ? &none : home->upcasters;
    size_t count = 0;
    for (const struct sqlfile_section *on = home->file->handlers; on != NULL; on = on->next) count += on->type_count;
    varve_str *types = arena_array(arena, count, sizeof *types);
    if (types == NULL) {
        return no_memory(error);
    }
    count = 0;
    for (const struct sqlfile_section *on = home->file->handlers; on != NULL; on = on->next) {
        for (size_t i = 0; i < on->type_count; i++) {
            types[count++] = on->types[i];
        }
    }
    home->types = upcasters_sources(upcasters, types, count, arena, &home->type_count);
    if (home->types == NULL) {
        return no_memory(error);
    }
    home->version = upcasters_stamp(upcasters, home->types, home->type_count, home->file->version);
    if (home->file->code != NULL) {
        home->version = add_stamp(home->version, home->file->code_stamp);
    }
    home->parts = home->place.kind->claim == NULL ? 1 : home->file->partitions;
    if (home->parts > 1) {
        home->version = add_stamp(home->version, home->parts);
    }
    return VARVE_OK;
}

uint64_t generation_clean(const struct generation_home *home, uint64_t serving)
{
    return home->place.kind->clean(&home->place, home->file->name, serving) + 1;
}

/* Of one part, or of all of them: then the row of the one that is least far. */
static varve_status prepare_reading(struct sql_statement **statement, const struct sql_driver *sql,
                                    struct sql_session *session, const char *schema, unsigned part, varve_error *error)
{
    varve_buf table = { 0 }, text = { 0 };
    if (schema != NULL) {
        varve_buf_printf(&table, "\"%s\".", schema);
    }
    varve_buf_str(&table, VARVE_STR("varve_checkpoint"));
    varve_buf_printf(&text, "SELECT version, incarnation, position, event_id, (SELECT max(position) FROM %s) FROM %s",
                     table.failed ? "" : table.ptr, table.failed ? "" : table.ptr);
    if (part > 0) {
        varve_buf_printf(&text, " WHERE part = %u", part);
    }
    varve_buf_str(&text, VARVE_STR(" ORDER BY position LIMIT 1"));
    text.failed = text.failed || table.failed;
    varve_status status = text.failed ? varve_error_set(error, VARVE_NOMEM, "no memory to read a checkpoint")
                                      : sql->prepare(statement, session, varve_buf_view(&text), SQL_OURS, error);
    varve_buf_fini(&text);
    varve_buf_fini(&table);
    return status;
}

varve_status checkpoint_prepare(struct sql_statement **statement, const struct sql_driver *sql,
                                struct sql_session *session, const char *schema, varve_error *error)
{
    return prepare_reading(statement, sql, session, schema, 0, error);
}

varve_status checkpoint_read(struct sql_statement *statement, const struct sql_driver *sql, const char *incarnation,
                             struct checkpoint *checkpoint, varve_error *error)
{
    struct sql_value version, owner, position, id, furthest;
    *checkpoint = (struct checkpoint){ 0 };
    varve_status status = sql->step(statement, error);
    if (status == VARVE_DONE) {
        status = varve_error_set(error, VARVE_CORRUPT, "the model has no checkpoint");
    } else if (status == VARVE_OK) {
        sql->column(statement, 0, &version);
        sql->column(statement, 1, &owner);
        sql->column(statement, 2, &position);
        sql->column(statement, 3, &id);
        sql->column(statement, 4, &furthest);
        checkpoint->version = (uint64_t)version.integer;
        checkpoint->ours = varve_str_is(owner.text, incarnation);
        checkpoint->position = position.integer > 0 ? (uint64_t)position.integer : 0;
        checkpoint->furthest = furthest.integer > 0 ? (uint64_t)furthest.integer : 0;
        if (checkpoint->position > 0 && varve_uuid_parse(&checkpoint->id, id.text, NULL) < 0) {
            checkpoint->ours = false;
        }
    }
    sql->reset(statement);
    return status;
}

varve_status checkpoint_read_parts(const struct sql_driver *sql, struct sql_session *session, uint64_t *positions,
                                   unsigned count, varve_error *error)
{
    static const char question[] = "SELECT position FROM varve_checkpoint ORDER BY part";
    struct sql_statement *read = NULL;
    struct sql_value position = { 0 };
    varve_status status = sql->prepare(&read, session, varve_str_of(question), SQL_OURS, error);
    for (unsigned i = 0; status == VARVE_OK && i < count; i++) {
        status = sql->step(read, error);
        if (status == VARVE_OK) {
            sql->column(read, 0, &position);
            positions[i] = position.integer > 0 ? (uint64_t)position.integer : 0;
        } else if (status == VARVE_DONE) {
            status = varve_error_set(error, VARVE_CORRUPT, "the model lacks the checkpoint of a partition");
        }
    }
    sql->finalize(read);
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

/* Opens a session on a generation; a failure names it. */
static varve_status open_session(const struct generation_home *home, uint64_t number, enum sql_mode mode,
                                 struct sql_session **session, varve_error *error)
{
    const struct place *place = &home->place;
    varve_buf location = { 0 }, label = { 0 };
    varve_error refusal = { 0 };
    place->kind->locate(place, home->file->name, number, &location);
    place->kind->label(place, home->file->name, number, &label);
    varve_status status = VARVE_OK;
    if (location.failed || label.failed) {
        status = no_memory(error);
    } else if ((status = place->sql->open(session, location.ptr, mode, &refusal)) < 0) {
        varve_error_set(error, status, "%s: %s", label.ptr, refusal.message);
        status = unless_unopened(status, error);
    }
    varve_buf_fini(&location);
    varve_buf_fini(&label);
    return status;
}

/* Prepares moving the checkpoint: that of a part, or of all there are. */
static varve_status prepare(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    varve_buf text = { 0 };
    varve_buf_str(&text, VARVE_STR("UPDATE varve_checkpoint SET incarnation = :incarnation, position = :position,"
                                   " event_id = :id"));
    if (generation->part > 0) {
        varve_buf_printf(&text, " WHERE part = %u", generation->part);
    }
    varve_status status = text.failed ? no_memory(error)
                                      : home->place.sql->prepare(&generation->update, generation->session,
                                                                 varve_buf_view(&text), SQL_OURS, error);
    varve_buf_fini(&text);
    return status;
}

/* Prepares the projection's statements. */
static varve_status open_projection(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    varve_status status =
        projection_open(&generation->projection, home->file, home->place.sql, generation->session, error);
    if (status == VARVE_OK) {
        generation_set_swift(generation, true);
    }
    return status;
}

void generation_set_swift(struct generation *generation, bool swift)
{
    generation->swift = swift && (generation->home->place.sql->capabilities & SQL_DEFERS) != 0;
    projection_set_swift(generation->projection, generation->swift);
}

static varve_status write_checkpoint(struct generation *generation, const char *incarnation, uint64_t position,
                                     varve_uuid id, varve_error *error)
{
    const struct sql_driver *sql = generation->home->place.sql;
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

/* A statement that never ends would hold its projection, and the end of the process, for ever. */
static uint32_t limit_time(struct generation *generation)
{
    const struct generation_home *home = generation->home;
    uint32_t limit_ms = home->event_ms == 0 ? GENERATION_EVENT_MS : home->event_ms;
    home->place.sql->set_time_limit(generation->session, limit_ms);
    return limit_ms;
}

static varve_status commit(struct generation *generation, varve_error *error)
{
    const struct sql_driver *sql = generation->home->place.sql;
    varve_status status = sql->commit(generation->session, error);
    sql->set_time_limit(generation->session, 0);
    return status;
}

/* Fills a new file in one transaction, so that a crash leaves all of it or nothing. */
static varve_status fill(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    const struct sql_driver *sql = home->place.sql;
    varve_buf rows = { 0 };
    varve_buf_str(&rows, VARVE_STR("INSERT INTO varve_checkpoint VALUES "));
    for (unsigned i = 0; i < home->parts; i++) {
        varve_buf_printf(&rows, "%s('%.*s', %" PRIu64 ", '%s', 0, '', %u)", i > 0 ? ", " : "",
                         (int)home->file->name.len, home->file->name.ptr, home->version, home->incarnation,
                         home->parts > 1 ? i + 1 : 0);
    }
    varve_status status = rows.failed ? no_memory(error) : generation_begin(generation, error);
    if (status == VARVE_OK) {
        status = sql->exec(generation->session,
                           "CREATE TABLE varve_checkpoint (projection TEXT NOT NULL, version BIGINT NOT NULL,"
                           " incarnation TEXT NOT NULL, position BIGINT NOT NULL, event_id TEXT NOT NULL,"
                           " part INTEGER NOT NULL)",
                           error);
    }
    if (status == VARVE_OK) {
        status = sql->exec(generation->session, rows.ptr, error);
    }
    if (status == VARVE_OK) {
        status = aside_open(&generation->parked, sql, generation->session, error);
    }
    if (status == VARVE_OK) {
        status = projection_create(home->file, sql, generation->session, error);
    }
    if (status == VARVE_OK) {
        status = commit(generation, error);
    }
    if (status < 0 && generation->session != NULL) {
        sql->rollback(generation->session);
    }
    varve_buf_fini(&rows);
    return status;
}

static struct generation *generation_new(const struct generation_home *home, uint64_t number)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation != NULL) {
        generation->home = home;
        generation->number = number;
        generation->upcast.set = home->upcasters;
    }
    return generation;
}

/* The table of parked events of a model that has been there before; made where it is older than such tables. */
static varve_status open_parked(struct generation *generation, varve_error *error)
{
    const struct sql_driver *sql = generation->home->place.sql;
    varve_status status = generation_begin(generation, error);
    if (status == VARVE_OK) {
        status = aside_open(&generation->parked, sql, generation->session, error);
    }
    if (status == VARVE_OK) {
        status = commit(generation, error);
    }
    if (status < 0) {
        generation_rollback(generation);
    }
    return status;
}

/* Reads the checkpoint: of a part, or of all. */
static varve_status read_checkpoint(struct generation *generation, unsigned part, struct checkpoint *checkpoint,
                                    varve_error *error)
{
    const struct generation_home *home = generation->home;
    struct sql_statement *read = NULL;
    varve_status status = prepare_reading(&read, home->place.sql, generation->session, NULL, part, error);
    if (status == VARVE_OK) {
        status = checkpoint_read(read, home->place.sql, home->incarnation, checkpoint, error);
    }
    home->place.sql->finalize(read);
    return status;
}

static varve_status open_part(struct generation *whole, unsigned number, varve_error *error)
{
    struct generation *part = whole->parts[number - 1] = generation_new(whole->home, whole->number);
    if (part == NULL) {
        return no_memory(error);
    }
    whole->part_count = number;
    part->whole = whole;
    part->part = number;
    varve_status status = open_session(whole->home, whole->number, SQL_READ_WRITE, &part->session, error);
    if (status == VARVE_OK) {
        status = read_checkpoint(part, number, &part->checkpoint, error);
    }
    if (status == VARVE_OK) {
        status = prepare(part, error);
    }
    if (status == VARVE_OK) {
        status = open_projection(part, error);
    }
    return status == VARVE_OK ? open_parked(part, error) : status;
}

/* Where there are several. */
static varve_status open_parts(struct generation *generation, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (unsigned i = 1; status == VARVE_OK && generation->home->parts > 1 && i <= generation->home->parts; i++) {
        status = open_part(generation, i, error);
    }
    if (status == VARVE_OK) {
        generation_gather(generation);
    }
    return status;
}

varve_status generation_create(struct generation **out, const struct generation_home *home, uint64_t number,
                               varve_error *error)
{
    *out = NULL;
    struct generation *generation = generation_new(home, number);
    if (generation == NULL) {
        return no_memory(error);
    }
    varve_status status = open_session(home, number, SQL_READ_WRITE, &generation->session, error);
    if (status == VARVE_OK) {
        status = fill(generation, error);
    }
    if (status == VARVE_OK) {
        generation->checkpoint = (struct checkpoint){ .version = home->version, .ours = true };
        status = prepare(generation, error);
    }
    if (status == VARVE_OK) {
        status = open_projection(generation, error);
    }
    if (status == VARVE_OK) {
        status = open_parts(generation, error);
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
    *out = NULL;
    struct generation *generation = generation_new(home, number);
    if (generation == NULL) {
        return no_memory(error);
    }
    varve_status status = home->place.kind->check(&home->place, home->file->name, number, error);
    if (status == VARVE_OK) {
        status = open_session(home, number, SQL_READ_WRITE, &generation->session, error);
    }
    if (status == VARVE_OK) {
        status = read_checkpoint(generation, 0, &generation->checkpoint, error);
    }
    if (status == VARVE_OK) {
        status = prepare(generation, error);
    }
    /* No checkpoint, or not as we make it: the file is not one of ours. */
    if (status == VARVE_INVALID) {
        status = VARVE_CORRUPT;
    }
    if (status == VARVE_OK && generation->checkpoint.version == home->version) {
        status = open_projection(generation, error);
        /* The same version with other tables: as good as another version. */
        if (status == VARVE_INVALID) {
            status = VARVE_OK;
        }
    }
    if (status == VARVE_OK && generation->projection != NULL) {
        status = open_parked(generation, error);
        if (status == VARVE_OK) {
            status = open_parts(generation, error);
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

/* Everything but the session, which is handed out. */
static struct sql_session *take_apart(struct generation *generation)
{
    struct sql_session *session = generation->session;
    for (unsigned i = 0; i < generation->part_count; i++) {
        generation_close(generation->parts[i]);
    }
    projection_close(generation->projection);
    aside_fini(&generation->parked);
    upcast_fini(&generation->upcast);
    generation->home->place.sql->finalize(generation->update);
    generation->home->place.sql->finalize(generation->fence);
    free(generation);
    return session;
}

void generation_close(struct generation *generation)
{
    if (generation != NULL) {
        const struct sql_driver *sql = generation->home->place.sql;
        sql->close(take_apart(generation));
    }
}

void generation_remove(struct generation *generation)
{
    if (generation != NULL) {
        const struct generation_home *home = generation->home;
        uint64_t number = generation->number;
        home->place.kind->remove(&home->place, take_apart(generation), home->file->name, number);
    }
}

/* What fails for input or output leaves open how far the model is: a commit may have come through, and a server
 * that went down may have taken the last ones back. */
static varve_status note(struct generation *generation, varve_status status, varve_error *error)
{
    status = unless_unopened(status, error);
    generation->uncertain = generation->uncertain || status == VARVE_IO;
    return status;
}

varve_status generation_begin(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    const struct place *place = &home->place;
    limit_time(generation);
    varve_status status = place->sql->begin(generation->session, error);
    if (status == VARVE_OK && place->owner.len > 0) {
        status = place->kind->fence(place, generation->session, &generation->fence, home->file->name,
                                    generation->part > 0, error);
        if (status < 0) {
            generation_rollback(generation);
        }
    }
    return note(generation, status, error);
}

varve_status generation_apply(struct generation *generation, const varve_event *event, varve_error *error)
{
    const varve_event *events = NULL;
    size_t count = 0;
    uint32_t limit_ms = limit_time(generation);
    varve_status status = upcast_event(&generation->upcast, event, &events, &count, error);
    for (size_t i = 0; i < count && status >= 0; i++)
        status = projection_apply(generation->projection, &events[i], error);
    if (status == VARVE_TIMEOUT && error != NULL) {
        const varve_error cause = *error;
        varve_error_set(error, status, "what it changes took longer than %u ms: %s", (unsigned)limit_ms, cause.message);
    }
    return note(generation, status, error);
}

void generation_rollback(struct generation *generation)
{
    generation->home->place.sql->rollback(generation->session);
    generation->home->place.sql->set_time_limit(generation->session, 0);
}

static varve_status commit_as(struct generation *generation, const char *incarnation, uint64_t position, varve_uuid id,
                              varve_error *error)
{
    varve_status status = write_checkpoint(generation, incarnation, position, id, error);
    if (status == VARVE_OK) {
        status = commit(generation, error);
    }
    if (status < 0) {
        generation_rollback(generation);
        return note(generation, status, error);
    }
    generation->checkpoint.position = generation->checkpoint.furthest = position;
    generation->checkpoint.id = id;
    return VARVE_OK;
}

varve_status generation_settle(struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    struct checkpoint checkpoints[VARVE_PARTITIONS_MAX + 1];
    uint64_t parked = 0;
    if (!generation->uncertain) {
        return VARVE_OK;
    }
    /* The fence waits until a COMMIT that is under way on a lost connection has an end. */
    varve_status status = VARVE_OK;
    if (home->place.owner.len > 0 && (status = generation_begin(generation, error)) == VARVE_OK) {
        generation_rollback(generation);
    }
    for (unsigned i = 0; status == VARVE_OK && i <= generation->part_count; i++) {
        status = read_checkpoint(generation, i > 0 ? i : generation->part, &checkpoints[i], error);
    }
    if (status == VARVE_OK) {
        status = aside_count(home->place.sql, generation->session, NULL, &parked, error);
    }
    if (status == VARVE_OK) {
        atomic_store(&generation->parked.count, parked);
        generation->checkpoint = checkpoints[0];
        generation->uncertain = false;
        for (unsigned i = 0; i < generation->part_count; i++) {
            generation->parts[i]->checkpoint = checkpoints[i + 1];
            generation->parts[i]->uncertain = false;
        }
        generation_gather(generation);
    }
    return unless_unopened(status, error);
}

bool generation_takes(const struct generation *generation, varve_str stream)
{
    return generation->part == 0 || stored_hash(stream) % generation->home->parts + 1 == generation->part;
}

void generation_gather(struct generation *generation)
{
    struct checkpoint *whole = &generation->checkpoint;
    for (unsigned i = 0; i < generation->part_count; i++) {
        const struct checkpoint *part = &generation->parts[i]->checkpoint;
        uint64_t furthest = i == 0 || part->position > whole->furthest ? part->position : whole->furthest;
        bool ours = part->ours && (i == 0 || whole->ours);
        if (i == 0 || part->position < whole->position) {
            *whole = *part;
        }
        whole->ours = ours;
        whole->furthest = furthest;
        generation->uncertain = generation->uncertain || generation->parts[i]->uncertain;
    }
}

void generation_identify(const struct generation *generation, varve_buf *text)
{
    const struct place *place = &generation->home->place;
    place->kind->identify(place, generation->session, text, NULL);
    for (unsigned i = 0; i < generation->part_count; i++) {
        place->kind->identify(place, generation->parts[i]->session, text, NULL);
    }
}

varve_status generation_commit(struct generation *generation, uint64_t position, varve_uuid id, varve_error *error)
{
    ASSERT(generation->part_count == 0); /* its parts are not all at one event */
    return commit_as(generation, generation->home->incarnation, position, id, error);
}

varve_status generation_keep(struct generation *generation, varve_error *error)
{
    varve_status status = commit(generation, error);
    if (status < 0) {
        generation_rollback(generation);
    }
    return note(generation, status, error);
}

/* What the parts have, where all their checkpoints have become another's. */
static void set_ours(struct generation *generation, bool ours)
{
    generation->checkpoint.ours = ours;
    for (unsigned i = 0; i < generation->part_count; i++) {
        generation->parts[i]->checkpoint.ours = ours;
    }
}

varve_status generation_adopt(struct generation *generation, varve_error *error)
{
    varve_buf script = { 0 };
    varve_buf_printf(&script, "UPDATE varve_checkpoint SET incarnation = '%s'", generation->home->incarnation);
    varve_status status = script.failed ? no_memory(error) : generation_begin(generation, error);
    if (status == VARVE_OK) {
        status = generation->home->place.sql->exec(generation->session, script.ptr, error);
        if (status < 0) {
            generation_rollback(generation);
            status = note(generation, status, error);
        }
    }
    if (status == VARVE_OK) {
        status = generation_keep(generation, error);
    }
    set_ours(generation, status == VARVE_OK);
    varve_buf_fini(&script);
    return status;
}

varve_status generation_disown(struct generation *generation, varve_error *error)
{
    varve_status status = generation_begin(generation, error);
    if (status == VARVE_OK) {
        status = commit_as(generation, "", 0, (varve_uuid){ { 0 } }, error);
        set_ours(generation, false);
    }
    return status;
}

void generation_tell_misfit(const struct generation *generation, bool fits, const struct log *log)
{
    const struct generation_home *home = generation->home;
    uint64_t made_by = generation->checkpoint.version;
    int len = (int)home->file->name.len;
    const char *name = home->file->name.ptr;
    if (!fits) {
        log_line(log, VARVE_LOG_WARNING, "projection %.*s: its checkpoint does not fit the log: rebuilding", len, name);
    }
    if (generation->projection == NULL && made_by == home->version) {
        log_line(log, VARVE_LOG_WARNING,
                 "projection %.*s: its statements changed and do not fit the model: rebuilding; raise @version", len,
                 name);
    }
    if ((uint32_t)made_by == home->file->version && made_by != home->version) {
        log_line(log, VARVE_LOG_INFO, "projection %.*s: %s changed: rebuilding", len, name,
                 home->file->code == NULL ? "its partitions or upcasters of its events"
                                          : "its tables, its types, its partitions or upcasters of its events");
    }
}

varve_status generation_publish(const struct generation *generation, varve_error *error)
{
    const struct generation_home *home = generation->home;
    return home->place.kind->publish(&home->place, home->file->name, generation->number, error);
}

varve_status generation_read(const struct generation_home *home, struct sql_session **session, varve_error *error)
{
    const struct place *place = &home->place;
    varve_status status = VARVE_IO;
    *session = NULL;
    /* Once more when it cannot be opened: it may have been replaced and removed just then. */
    for (int i = 0; status == VARVE_IO && i < 2; i++) {
        uint64_t number = 0;
        status = place->kind->serving(place, NULL, NULL, home->file->name, &number, error);
        if (status >= 0) {
            status = number > 0 ? open_session(home, number, SQL_READ_ONLY, session, error)
                                : varve_error_set(error, VARVE_NOT_FOUND, "projection %.*s has no read model yet",
                                                  (int)home->file->name.len, home->file->name.ptr);
        }
    }
    return status;
}

varve_status generation_peek(const struct generation_home *home, struct checkpoint *checkpoint, varve_error *error)
{
    const struct sql_driver *sql = home->place.sql;
    struct sql_session *session = NULL;
    struct sql_statement *read = NULL;
    *checkpoint = (struct checkpoint){ 0 };
    varve_status status = generation_read(home, &session, error);
    if (status == VARVE_OK) {
        status = checkpoint_prepare(&read, sql, session, NULL, error);
    }
    if (status == VARVE_OK) {
        status = checkpoint_read(read, sql, home->incarnation, checkpoint, error);
    }
    sql->finalize(read);
    sql->close(session);
    return status;
}
