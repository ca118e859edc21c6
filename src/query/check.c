/* SPDX-License-Identifier: Apache-2.0 */
#include "query/check.h"

#include <inttypes.h>
#include <stdio.h>

#include "query/compare.h"
#include "query/follower.h"

enum {
    ROUNDS_MAX = 20, /* of catching up with a live model that gains … */
    GAP_MAX = 1000   /* … more than this meanwhile: the snapshot is not held for longer than building so much takes */
};

/* A check under way. */
struct check {
    const struct generation_home *live;
    const varve_projection_check_options *options;
    varve_projection_check_summary *summary;
    struct generation_home home; /* the fresh one's */
    struct sqlfile file;         /* the live one's, under another name */
    char name[96];
    struct arena memory; /* the home's */
    struct place_guard guard;
    struct follower follower;
    struct sql_session *session;         /* on the live one, in a transaction */
    varve_buf tables;                    /* an inline one's; empty: all that there are */
    uint64_t reached;                    /* all events up to here are in the fresh one */
    uint64_t ends[VARVE_PARTITIONS_MAX]; /* where the live one's parts are, once it stands still */
};

/* The home of fresh generations. Nobody else knows of them, so they need no fence. */
static void init_home(struct check *check)
{
    varve_str name = check->live->file->name;
    snprintf(check->name, sizeof check->name, "%.*s$check", (int)name.len, name.ptr);
    check->file = *check->live->file;
    check->file.name = varve_str_of(check->name);
    check->home = *check->live;
    check->home.file = &check->file;
    check->home.place.owner = (varve_str){ 0 };
}

static varve_str guard_name(const struct check *check)
{
    return check->file.is_inline ? check->live->file->name : check->file.name;
}

void check_clean(const struct generation_home *live)
{
    struct check check = { .live = live };
    const struct place_kind *kind = live->place.kind;
    init_home(&check);
    if (kind->guard(&check.home.place, guard_name(&check), false, &check.guard, NULL) == VARVE_OK) {
        generation_clean(&check.home, 0);
    }
    kind->unguard(&check.home.place, &check.guard);
}

static varve_status begin(struct check *check, varve_store *store, varve_error *error)
{
    const struct place *place = &check->home.place;
    varve_status status = generation_home_complete(&check->home, &check->memory, error);
    if (status == VARVE_OK) {
        status = place->kind->guard(place, guard_name(check), true, &check->guard, error);
    }
    if (status == VARVE_BUSY) {
        varve_str name = check->live->file->name;
        return varve_error_set(error, status, "projection %.*s is being checked%s already", (int)name.len, name.ptr,
                               check->file.is_inline ? ", or built," : "");
    }
    if (status == VARVE_OK) {
        uint64_t number = generation_clean(&check->home, 0);
        check->follower.store = store;
        status = generation_create(&check->follower.generation, &check->home, number, error);
    }
    return status;
}

/* Can the live model be compared with what the projection makes today? */
static varve_status check_live(const struct check *check, const struct checkpoint *checkpoint, varve_error *error)
{
    varve_str name = check->live->file->name;
    const char *why = checkpoint->version != check->home.version ? "was made by another version of the projection"
                      : !checkpoint->ours                        ? "does not fit this log"
                      : checkpoint->position < check->reached    ? "went back meanwhile"
                                                                 : NULL;
    return why == NULL ? VARVE_OK
                       : varve_error_set(error, VARVE_UNAVAILABLE, "the model of %.*s %s: check it once it is rebuilt",
                                         (int)name.len, name.ptr, why);
}

static varve_status no_model(const struct check *check, varve_error *error)
{
    varve_str name = check->live->file->name;
    return varve_error_set(error, VARVE_NOT_FOUND, "projection %.*s has no read model yet", (int)name.len, name.ptr);
}

/* What is noted of an inline model in the log's database (inline.h). */
static varve_status read_note(struct check *check, struct sql_session *session, struct checkpoint *checkpoint,
                              varve_error *error)
{
    const struct sql_driver *sql = check->live->place.sql;
    const struct sql_value name = { .kind = SQL_TEXT, .text = check->live->file->name };
    struct sql_statement *read = NULL;
    struct sql_value values[3];
    varve_status status =
        sql->prepare(&read, session,
                     VARVE_STR("SELECT version, position, tables FROM varve_inline WHERE projection = :name"), SQL_OURS,
                     error);
    if (status == VARVE_INVALID) {
        return no_model(check, error); /* there is no such table: no application with one was ever served */
    }
    if (status == VARVE_OK) {
        status = sql->bind(read, 1, &name, error);
    }
    if (status == VARVE_OK) {
        status = sql->step(read, error);
    }
    if (status == VARVE_DONE) {
        status = no_model(check, error);
    } else if (status == VARVE_OK) {
        for (int i = 0; i < 3; i++) {
            sql->column(read, i, &values[i]);
        }
        *checkpoint = (struct checkpoint){ .version = (uint64_t)values[0].integer,
                                           .ours = true,
                                           .position = (uint64_t)values[1].integer };
        varve_buf_reset(&check->tables);
        varve_buf_str(&check->tables, values[2].text);
        if (check->tables.failed) {
            status = varve_error_set(error, VARVE_NOMEM, "no memory to check a read model");
        }
    }
    sql->finalize(read);
    return status;
}

static varve_status open_live(const struct check *check, struct sql_session **session, varve_error *error)
{
    const struct place *place = &check->live->place;
    return check->file.is_inline ? place->sql->open(session, place->log, SQL_READ_ONLY, error)
                                 : generation_read(check->live, session, error);
}

/* Where the model is that the session sees. */
static varve_status read_live(struct check *check, struct sql_session *session, struct checkpoint *checkpoint,
                              varve_error *error)
{
    const struct sql_driver *sql = check->live->place.sql;
    struct sql_statement *read = NULL;
    if (check->file.is_inline) {
        return read_note(check, session, checkpoint, error);
    }
    varve_status status = checkpoint_prepare(&read, sql, session, NULL, error);
    if (status == VARVE_OK) {
        status = checkpoint_read(read, sql, check->live->incarnation, checkpoint, error);
    }
    sql->finalize(read);
    return status;
}

/* Builds up to a position, or each part up to its end and all of them at least so far. */
static varve_status build_until(struct check *check, uint64_t position, const uint64_t *ends, varve_error *error)
{
    struct follower *follower = &check->follower;
    varve_status status = VARVE_OK;
    bool there = ends == NULL && position <= check->reached;
    follower_stop(follower);
    follower->until = position;
    follower->untils = ends;
    while (status == VARVE_OK && !there) {
        status = follower_advance(follower, false, error);
        if (status >= 0 && check->options->progress != NULL &&
            check->options->progress(check->options->ctx, follower_scanned(follower), position) > 0) {
            return VARVE_CAUGHT_UP;
        }
        if (status == VARVE_DONE) {
            check->reached = position;
            there = true;
            status = VARVE_OK;
        }
    }
    if (status == VARVE_REWOUND) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "the log became another history: check the model again");
    }
    if (status < 0 && follower->failed != 0 && error != NULL) {
        error->status = status = VARVE_APPLICATION;
    }
    return status;
}

static varve_status catch_up(struct check *check, varve_error *error)
{
    const struct sql_driver *sql = check->live->place.sql;
    struct checkpoint checkpoint = { 0 };
    varve_status status = VARVE_OK;
    for (int round = 0; status == VARVE_OK && round < ROUNDS_MAX; round++) {
        struct sql_session *session = NULL;
        status = open_live(check, &session, error);
        if (status == VARVE_OK) {
            status = read_live(check, session, &checkpoint, error);
        }
        sql->close(session);
        if (status == VARVE_OK) {
            status = check_live(check, &checkpoint, error);
        }
        if (status != VARVE_OK || (round > 0 && checkpoint.position - check->reached <= GAP_MAX)) {
            break;
        }
        status = build_until(check, checkpoint.position, NULL, error);
    }
    return status;
}

/* From here on the live model stands still for us. */
static varve_status hold_live(struct check *check, struct checkpoint *checkpoint, varve_error *error)
{
    const struct sql_driver *sql = check->live->place.sql;
    sql->close(check->session);
    check->session = NULL;
    varve_status status = open_live(check, &check->session, error);
    if (status == VARVE_OK) {
        status = sql->begin(check->session, error);
    }
    if (status == VARVE_OK) {
        status = read_live(check, check->session, checkpoint, error);
    }
    if (status == VARVE_OK) {
        status = check_live(check, checkpoint, error);
    }
    return status == VARVE_OK && check->home.parts > 1
               ? checkpoint_read_parts(sql, check->session, check->ends, check->home.parts, error)
               : status;
}

static varve_status compare(struct check *check, varve_error *error)
{
    const struct sql_driver *sql = check->live->place.sql;
    struct checkpoint checkpoint = { 0 };
    struct compare_side live = { 0 }, fresh = { .session = check->follower.generation->session };
    varve_status status = hold_live(check, &checkpoint, error);
    if (status == VARVE_INVALID) {
        status = hold_live(check, &checkpoint, error); /* a rebuild has replaced it after it was opened */
    }
    if (status == VARVE_OK) {
        status = build_until(check, checkpoint.position, check->home.parts > 1 ? check->ends : NULL, error);
    }
    follower_stop(&check->follower);
    live.session = check->session;
    live.only = varve_buf_view(&check->tables);
    if (status == VARVE_OK) {
        check->summary->position = checkpoint.position;
        status = compare_models(&check->live->place, &live, &fresh, check->options, check->summary, error);
    }
    if (status == VARVE_OK) {
        check->summary->parked_fresh = check->follower.generation->parked.count;
        if (!check->file.is_inline) {
            status = aside_count(sql, check->session, NULL, &check->summary->parked_live, error);
        }
    }
    return status;
}

varve_status check_against_log(varve_store *store, const struct generation_home *live,
                               const varve_projection_check_options *options, varve_projection_check_summary *summary,
                               varve_error *error)
{
    struct check check = { .live = live, .options = options, .summary = summary };
    const struct place *place = &check.home.place;
    *summary = (varve_projection_check_summary){ 0 };
    init_home(&check);
    varve_status status = begin(&check, store, error);
    if (status == VARVE_OK) {
        status = catch_up(&check, error);
    }
    if (status == VARVE_OK) {
        status = compare(&check, error);
    }
    follower_stop(&check.follower);
    if (check.session != NULL) {
        place->sql->rollback(check.session);
    }
    place->sql->close(check.session);
    generation_remove(check.follower.generation);
    place->kind->unguard(place, &check.guard);
    varve_buf_fini(&check.tables);
    arena_fini(&check.memory);
    return status == VARVE_CAUGHT_UP ? VARVE_DONE : status;
}
