/* SPDX-License-Identifier: Apache-2.0 */
#include "query/inline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "query/follower.h"
#include "store/access.h"

#define TABLE                                                                                                  \
    "CREATE TABLE IF NOT EXISTS varve_inline (projection TEXT PRIMARY KEY, version BIGINT NOT NULL, position " \
    "BIGINT NOT NULL, tables TEXT NOT NULL)"

enum {
    GUARD_WAIT_MS = 100,
    GUARD_TRIES = 600,
    BUILD_TRIES = 12,   /* of what may pass, with longer and longer waits */
    REST_MS_MAX = 5000, /* the longest */
    SLICE = 1000,       /* events that are caught up with in a transaction of their own */
};

struct inlined {
    const struct sqlfile *file;
    struct generation_home home;
    struct arena memory; /* the home's */
    char incarnation[VARVE_UUID_TEXT_BYTES];
    bool defers; /* it may have constraints that are checked at the end of a transaction */

    /* The writer's thread: */
    struct projection *projection; /* on the session; NULL: to be opened when it is needed */
    struct upcast upcast;
    bool is_known;     /* what follows is what the row says, or will once the transaction is committed */
    uint64_t version;  /* that made it; 0: there is none */
    uint64_t position; /* of the latest event that it has */
    uint64_t checked;  /* it has every event of its types up to here */
    bool is_entered;   /* in this transaction */
    varve_buf tables;  /* as the row names them */

    /* Under the lock: */
    bool is_building;
    uint64_t built, began_ns;
    uint64_t failed; /* the event of the log that it cannot take: it is faulted; 0 */
    char problem[256];
};

struct inlines {
    struct inlines_options options;
    struct store_inline hooks;
    struct inlined **models;
    size_t count;
    varve_str *types; /* of all of them */
    size_t type_count;
    bool is_started;

    /* The writer's thread: */
    struct sql_session *session;
    struct sql_statement *look, *move;
    bool in_transaction;
    uint64_t before; /* the head that it began behind */

    pthread_mutex_t asking; /* who asks for a rebuild */
    pthread_mutex_t lock;
    pthread_t builder;
    struct inlined *built; /* by that thread, which ends once it is not building; NULL: there is none */
    atomic_bool stopping;
};

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for an inline projection");
}

/* Whether others append besides this process. */
static bool is_shared(const struct inlines *inlines)
{
    return store_has_many_writers(inlines->options.store);
}

/* ---- the row ---- */

static varve_status prepare(struct inlines *inlines, struct sql_statement **statement, const char *text,
                            varve_error *error)
{
    if (*statement != NULL) return VARVE_OK;
    return inlines->hooks.sql->prepare(statement, inlines->session, varve_str_of(text), SQL_OURS, error);
}

/* Reads what the model is, in the transaction that is open: other processes may have changed it. */
static varve_status look(struct inlines *inlines, struct inlined *model, varve_error *error)
{
    const struct sql_driver *sql = inlines->hooks.sql;
    const struct sql_value name = { .kind = SQL_TEXT, .text = model->file->name };
    struct sql_value value;
    const char *limit = inlines->options.place.kind->limit;
    char text[160];
    snprintf(text, sizeof text, "SELECT version, position, tables%s%s FROM varve_inline WHERE projection = :name",
             limit == NULL ? "" : ", ", limit == NULL ? "" : limit);
    varve_status status = prepare(inlines, &inlines->look, text, error);
    if (status >= 0) status = sql->bind(inlines->look, 1, &name, error);
    if (status >= 0) status = sql->step(inlines->look, error);
    model->version = 0;
    if (status == VARVE_OK) {
        sql->column(inlines->look, 0, &value);
        model->version = (uint64_t)value.integer;
        sql->column(inlines->look, 1, &value);
        model->position = (uint64_t)value.integer;
        sql->column(inlines->look, 2, &value);
        varve_buf_reset(&model->tables);
        varve_buf_str(&model->tables, value.text);
        if (model->tables.failed) status = no_memory(error);
    }
    if (inlines->look != NULL) sql->reset(inlines->look);
    model->is_known = status >= 0;
    return status < 0 ? status : VARVE_OK;
}

/* Writes what the model is. */
static varve_status put(struct inlines *inlines, const struct inlined *model, varve_error *error)
{
    static const char text[] =
        "INSERT INTO varve_inline (projection, version, position, tables) VALUES (:name, :version, :position, :tables) "
        "ON CONFLICT (projection) DO UPDATE SET version = excluded.version, position = excluded.position, "
        "tables = excluded.tables";
    const struct sql_driver *sql = inlines->hooks.sql;
    const struct sql_value values[] = {
        { .kind = SQL_TEXT, .text = model->file->name },
        { .kind = SQL_INTEGER, .integer = (int64_t)model->version },
        { .kind = SQL_INTEGER, .integer = (int64_t)model->position },
        { .kind = SQL_TEXT, .text = varve_buf_view(&model->tables) },
    };
    varve_status status = prepare(inlines, &inlines->move, text, error);
    for (int i = 0; i < 4 && status >= 0; i++) status = sql->bind(inlines->move, i + 1, &values[i], error);
    if (status >= 0) status = sql->step(inlines->move, error);
    if (inlines->move != NULL) sql->reset(inlines->move);
    return status < 0 ? status : VARVE_OK;
}

/* ---- events ---- */

static bool concerns(const struct inlined *model, varve_str type)
{
    for (size_t i = 0; i < model->home.type_count; i++)
        if (varve_str_eq(model->home.types[i], type)) return true;
    return false;
}

/* What the author, or the events, brought on themselves is the append's failure; anything else the database's. */
static varve_status blame(const struct inlined *model, const varve_error *cause, varve_error *error)
{
    bool refused = cause->status == VARVE_CONFLICT || cause->status == VARVE_APPLICATION ||
                   cause->status == VARVE_INVALID || cause->status == VARVE_DENIED ||
                   cause->status == VARVE_TOO_LARGE || cause->status == VARVE_TIMEOUT;
    varve_error_set(error, refused ? VARVE_PROJECTION_REFUSED : cause->status, "inline projection %.*s: %s",
                    (int)model->file->name.len, model->file->name.ptr, cause->message);
    if (error != NULL && !refused) error->flags = cause->flags;
    return refused ? VARVE_PROJECTION_REFUSED : cause->status;
}

/* The same for an event that is in the log already. */
static void blame_missed(const varve_event *event, const varve_error *cause, varve_error *error)
{
    if (cause->status == VARVE_PROJECTION_REFUSED)
        varve_error_set(error, cause->status, "position %llu, %.*s of %.*s, which was appended without it: %s",
                        (unsigned long long)event->position, (int)event->type.len, event->type.ptr,
                        (int)event->stream.len, event->stream.ptr, cause->message);
    else if (error != NULL)
        *error = *cause;
}

/* Everybody who appends waits for an event's statements. */
static void limit_time(const struct inlines *inlines, uint32_t limit_ms)
{
    if (inlines->options.place.kind->limit == NULL) inlines->hooks.sql->set_time_limit(inlines->session, limit_ms);
}

static varve_status apply_event(struct inlines *inlines, struct inlined *model, const varve_event *event,
                                varve_error *error)
{
    varve_error cause = { 0 };
    limit_time(inlines, GENERATION_EVENT_MS);
    const varve_event *events = NULL;
    size_t count = 0;
    varve_status status = VARVE_OK;
    if (model->projection == NULL)
        status = projection_open(&model->projection, model->file, inlines->hooks.sql, inlines->session, &cause);
    if (status >= 0) status = upcast_event(&model->upcast, event, &events, &count, &cause);
    for (size_t i = 0; i < count && status >= 0; i++) status = projection_apply(model->projection, &events[i], &cause);
    limit_time(inlines, 0);
    if (status == VARVE_TIMEOUT) {
        const varve_error last = cause;
        varve_error_set(&cause, status, "what it changes took longer than %d ms: %s", GENERATION_EVENT_MS,
                        last.message);
    }
    if (status < 0) return blame(model, &cause, error);
    model->position = event->position;
    return VARVE_OK;
}

/* Here a failure is the model's. In the commit it would be that of a log that cannot be written. */
static varve_status check_deferred(struct inlines *inlines, const struct inlined *model, varve_error *error)
{
    varve_error cause = { 0 };
    if (!model->defers) return VARVE_OK;
    varve_status status =
        inlines->hooks.sql->exec(inlines->session, inlines->options.place.kind->check_deferred, &cause);
    return status < 0 ? blame(model, &cause, error) : VARVE_OK;
}

static void set_fault(struct inlines *inlines, struct inlined *model, uint64_t position, const char *problem)
{
    pthread_mutex_lock(&inlines->lock);
    model->failed = position;
    snprintf(model->problem, sizeof model->problem, "%s", problem);
    pthread_mutex_unlock(&inlines->lock);
}

/* Events that were appended without the model, up to the head that the transaction began behind, or as many; then it is
 * checked up to where it is. */
static varve_status catch_up(struct inlines *inlines, struct inlined *model, uint64_t most, varve_error *error)
{
    const varve_read_options missed = {
        .after_position = model->position > model->checked ? model->position : model->checked,
        .until_position = inlines->before,
        .limit = most,
        .types = model->home.types,
        .type_count = model->home.type_count,
    };
    varve_cursor *cursor = NULL;
    const varve_event *event = NULL;
    uint64_t taken = 0;
    model->checked = inlines->before;
    if (missed.after_position >= inlines->before) return VARVE_OK;
    varve_status status = varve_cursor_open(&cursor, inlines->options.store, &missed, error);
    while (status >= 0 && (status = varve_cursor_next(cursor, &event, error)) == VARVE_OK) {
        varve_error cause = { 0 };
        status = apply_event(inlines, model, event, &cause);
        if (status < 0) blame_missed(event, &cause, error);
        if (status == VARVE_PROJECTION_REFUSED)
            set_fault(inlines, model, event->position, error == NULL ? "" : error->message);
        taken++;
    }
    varve_cursor_close(cursor);
    if (status >= 0) set_fault(inlines, model, 0, "");
    if (most > 0 && taken == most) model->checked = model->position;
    return status < 0 ? status : check_deferred(inlines, model, error);
}

static varve_status refuse_unbuilt(struct inlines *inlines, const struct inlined *model, varve_error *error)
{
    varve_str name = model->file->name;
    pthread_mutex_lock(&inlines->lock);
    if (model->failed > 0)
        varve_error_set(error, VARVE_UNAVAILABLE,
                        "inline projection %.*s cannot be built, so nothing that it would see can be appended: %s",
                        (int)name.len, name.ptr, model->problem);
    else
        varve_error_set(error, VARVE_UNAVAILABLE,
                        "inline projection %.*s was built by another version of the application, or is not built yet: "
                        "nothing that it would see can be appended here",
                        (int)name.len, name.ptr);
    pthread_mutex_unlock(&inlines->lock);
    return VARVE_UNAVAILABLE;
}

/* For the first event of the transaction: the model is ours to change, and up to date. */
static varve_status enter(struct inlines *inlines, struct inlined *model, varve_error *error)
{
    bool is_alone = model->is_known && !is_shared(inlines);
    varve_status status = is_alone ? VARVE_OK : look(inlines, model, error);
    if (status >= 0 && model->version != model->home.version) status = refuse_unbuilt(inlines, model, error);
    if (status >= 0 && !is_alone) status = catch_up(inlines, model, 0, error);
    if (status == VARVE_PROJECTION_REFUSED) { /* it is not about what is appended now */
        status = VARVE_UNAVAILABLE;
        if (error != NULL) error->status = status;
    }
    model->is_entered = status >= 0;
    return status;
}

/* ---- what the store calls ---- */

static varve_status on_open(void *ctx, struct sql_session *session, varve_error *error)
{
    struct inlines *inlines = ctx;
    (void)error;
    inlines->session = session;
    return VARVE_OK;
}

static void forget_statements(struct inlines *inlines)
{
    for (size_t i = 0; i < inlines->count; i++) {
        projection_close(inlines->models[i]->projection);
        inlines->models[i]->projection = NULL;
    }
    inlines->hooks.sql->finalize(inlines->look);
    inlines->hooks.sql->finalize(inlines->move);
    inlines->look = inlines->move = NULL;
}

static void on_undone(void *ctx)
{
    struct inlines *inlines = ctx;
    inlines->in_transaction = false;
    for (size_t i = 0; i < inlines->count; i++) {
        struct inlined *model = inlines->models[i];
        model->is_known = model->is_entered = false;
        model->checked = 0;
    }
}

static void on_close(void *ctx)
{
    struct inlines *inlines = ctx;
    on_undone(ctx);
    forget_statements(inlines);
    inlines->session = NULL;
}

static bool on_concerns(void *ctx, varve_str type)
{
    const struct inlines *inlines = ctx;
    bool any = false;
    for (size_t i = 0; i < inlines->count && !any; i++) any = concerns(inlines->models[i], type);
    return any;
}

static varve_status on_apply(void *ctx, const varve_event *event, varve_error *error)
{
    struct inlines *inlines = ctx;
    varve_status status = VARVE_OK;
    if (!inlines->in_transaction) {
        inlines->in_transaction = true;
        inlines->before = event->position - 1;
    }
    for (size_t i = 0; i < inlines->count && status >= 0; i++) {
        struct inlined *model = inlines->models[i];
        if (!concerns(model, event->type)) continue;
        if (!model->is_entered) status = enter(inlines, model, error);
        if (status >= 0) status = apply_event(inlines, model, event, error);
    }
    return status;
}

static varve_status on_seal(void *ctx, varve_error *error)
{
    struct inlines *inlines = ctx;
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < inlines->count && status >= 0; i++) {
        struct inlined *model = inlines->models[i];
        if (!model->is_entered) continue;
        status = put(inlines, model, error);
        if (status >= 0) status = check_deferred(inlines, model, error);
        model->checked = model->position;
        model->is_entered = false;
    }
    inlines->in_transaction = false;
    return status;
}

/* ---- building ---- */

/* One model to be built: what the writer's transaction needs at its end. */
struct build {
    struct inlines *inlines;
    struct inlined *model;
    struct follower follower;
    uint64_t failed;   /* the event of the log that it cannot take; 0 */
    uint64_t until;    /* meets the log up to here alone; 0: all of it */
    bool is_current;   /* as the writer's thread found: this version made what is there … */
    bool is_behind;    /* … and there is more for it to catch up with */
    bool is_asked_for; /* else it is only to be built where nobody else has meanwhile */
};

static void set_building(struct inlines *inlines, struct inlined *model)
{
    pthread_mutex_lock(&inlines->lock);
    model->is_building = true;
    model->built = 0;
    model->began_ns = clock_ns();
    pthread_mutex_unlock(&inlines->lock);
}

static void set_built(struct inlines *inlines, struct inlined *model, uint64_t position)
{
    pthread_mutex_lock(&inlines->lock);
    model->built = position;
    pthread_mutex_unlock(&inlines->lock);
}

static void end_building(struct inlines *inlines, struct inlined *model, const char *problem)
{
    pthread_mutex_lock(&inlines->lock);
    model->is_building = false;
    model->failed = *problem == '\0' ? 0 : model->failed;
    snprintf(model->problem, sizeof model->problem, "%s", problem);
    pthread_mutex_unlock(&inlines->lock);
}

/* Follows the log to where it ends now, or to the position `until`. */
static varve_status follow(struct build *build, uint64_t until, varve_error *error)
{
    follower_stop(&build->follower);
    build->follower.until = until;
    varve_status status = VARVE_OK;
    while (status == VARVE_OK && !atomic_load(&build->inlines->stopping)) {
        status = follower_advance(&build->follower, true, error);
        if (status < 0 && (error->flags & VARVE_ERROR_RETRIABLE) == 0 && build->follower.failed > 0) {
            status = error->status = VARVE_PROJECTION_REFUSED;
            build->failed = build->follower.failed;
        }
        set_built(build->inlines, build->model, build->follower.generation->checkpoint.position);
    }
    if (status == VARVE_OK) return varve_error_set(error, VARVE_UNAVAILABLE, "the engine is stopping");
    return status < 0 ? status : VARVE_OK;
}

/* In the writer's transaction: nothing is appended while this takes what is left of the log and changes the tables. */
static varve_status take_over(void *ctx, struct sql_session *session, uint64_t head, varve_error *error)
{
    struct build *build = ctx;
    struct inlines *inlines = build->inlines;
    struct inlined *model = build->model;
    const struct place *place = &model->home.place;
    varve_buf tables = { 0 };
    varve_error cause = { 0 };
    varve_status status = follow(build, head, error);
    if (status >= 0) status = look(inlines, model, error);
    if (status < 0) return status;
    forget_statements(inlines); /* of the tables that go */
    status = place->kind->take_in(place, model->file->name, build->follower.generation->number, session,
                                  varve_buf_view(&model->tables), &tables, &cause);
    if (status >= 0) {
        varve_buf_fini(&model->tables);
        model->tables = tables;
        model->version = model->home.version;
        model->position = model->checked = head;
        return put(inlines, model, error);
    }
    varve_buf_fini(&tables);
    return sqlfile_fail(model->file, model->file->create->line, status, error, "%s", cause.message);
}

/* In a transaction of the writer's: is what is there of this version? */
static varve_status look_again(void *ctx, struct sql_session *session, uint64_t head, varve_error *error)
{
    struct build *build = ctx;
    (void)session;
    (void)head;
    varve_status status = look(build->inlines, build->model, error);
    build->is_current = status >= 0 && build->model->version == build->model->home.version;
    return status;
}

/* Waits longer each time; false when it is not to be tried again. */
static bool rest(const struct inlines *inlines, unsigned tries)
{
    unsigned wait_ms = (unsigned)GUARD_WAIT_MS << (tries < 6 ? tries : 6);
    wait_ms = wait_ms < REST_MS_MAX ? wait_ms : REST_MS_MAX;
    for (unsigned waited = 0; waited < wait_ms && !atomic_load(&inlines->stopping); waited += GUARD_WAIT_MS)
        nanosleep(&(struct timespec){ .tv_nsec = GUARD_WAIT_MS * 1000000L }, NULL);
    return tries < BUILD_TRIES && !atomic_load(&inlines->stopping);
}

/* Follows the log and takes over, again where that may pass: what is built stays. */
static varve_status follow_and_take_over(struct build *build, varve_error *error)
{
    struct inlines *inlines = build->inlines;
    varve_status status = VARVE_OK;
    bool may_pass = true;
    for (unsigned tries = 0; may_pass; tries++) {
        *error = (varve_error){ 0 };
        status = follow(build, 0, error);
        if (status >= 0) status = store_change_inline(inlines->options.store, take_over, build, error);
        /* Of an unknown outcome the next append is told by the row; the room on a disk is what that append needs. */
        may_pass = status < 0 && (error->flags & VARVE_ERROR_RETRIABLE) != 0 &&
                   (error->flags & VARVE_ERROR_UNKNOWN_OUTCOME) == 0 && status != VARVE_FULL && status != VARVE_NOMEM &&
                   rest(inlines, tries);
    }
    return status;
}

static varve_status build_under_guard(struct build *build, varve_error *error)
{
    struct inlines *inlines = build->inlines;
    struct inlined *model = build->model;
    struct generation *generation = NULL;
    varve_status status = VARVE_OK;
    if (!build->is_asked_for) status = store_change_inline(inlines->options.store, look_again, build, error);
    if (status < 0 || build->is_current) return status;
    model->home.incarnation = varve_store_incarnation(inlines->options.store, model->incarnation);
    status = generation_create(&generation, &model->home, generation_clean(&model->home, 0), error);
    build->follower = (struct follower){ .store = inlines->options.store, .generation = generation };
    if (status >= 0) status = follow_and_take_over(build, error);
    follower_stop(&build->follower);
    generation_remove(generation);
    build->follower.generation = NULL;
    return status;
}

/* One process builds a model at a time. */
static varve_status build_model(struct inlines *inlines, struct inlined *model, bool is_asked_for, varve_error *error)
{
    struct build build = { .inlines = inlines, .model = model, .is_asked_for = is_asked_for };
    const struct place *place = &model->home.place;
    struct place_guard guard = { 0 };
    varve_error cause = { 0 };
    varve_status status = VARVE_BUSY;
    for (int i = 0; i < GUARD_TRIES && status == VARVE_BUSY && !atomic_load(&inlines->stopping); i++) {
        place->kind->unguard(place, &guard);
        status = place->kind->guard(place, model->file->name, true, &guard, &cause);
        if (status == VARVE_BUSY) nanosleep(&(struct timespec){ .tv_nsec = GUARD_WAIT_MS * 1000000L }, NULL);
    }
    if (status >= 0) status = build_under_guard(&build, &cause);
    place->kind->unguard(place, &guard);
    end_building(inlines, model, status < 0 ? cause.message : "");
    if (build.failed > 0 && !is_asked_for) set_fault(inlines, model, build.failed, cause.message);
    varve_str name = model->file->name;
    if (status >= 0)
        log_line(&inlines->options.log, VARVE_LOG_INFO, "inline projection %.*s was built", (int)name.len, name.ptr);
    else
        log_line(&inlines->options.log, VARVE_LOG_ERROR, "inline projection %.*s cannot be built: %s", (int)name.len,
                 name.ptr, cause.message);
    if (status < 0 && error != NULL) *error = cause;
    return status;
}

/* Removes what a process has left that ended while it built, unless somebody builds. */
static void clean(const struct inlined *model)
{
    const struct place *place = &model->home.place;
    struct place_guard guard = { 0 };
    if (place->kind->guard(place, model->file->name, false, &guard, NULL) == VARVE_OK)
        (void)generation_clean(&model->home, 0);
    place->kind->unguard(place, &guard);
}

/* ---- from outside ---- */

static varve_status make_table(void *ctx, struct sql_session *session, uint64_t head, varve_error *error)
{
    const struct inlines *inlines = ctx;
    (void)head;
    return inlines->hooks.sql->exec(session, TABLE, error);
}

/* Finds out what is there of a model, and brings it nearer to the head, or to it. */
static varve_status meet(void *ctx, struct sql_session *session, uint64_t head, varve_error *error)
{
    struct build *met = ctx;
    struct inlines *inlines = met->inlines;
    struct inlined *model = met->model;
    inlines->before = met->until > 0 ? met->until : head;
    varve_status status = look_again(met, session, head, error);
    if (!met->is_current) return status;
    uint64_t position = model->position;
    status = catch_up(inlines, model, SLICE, error);
    if (status >= 0 && model->position > position) status = put(inlines, model, error);
    if (met->until > 0) model->is_known = false; /* there is more that it does not have */
    met->is_behind = model->checked < inlines->before;
    if (status == VARVE_PROJECTION_REFUSED) {
        pthread_mutex_lock(&inlines->lock);
        met->failed = model->failed;
        pthread_mutex_unlock(&inlines->lock);
    }
    return status;
}

/* What others have appended without the model may be much: a transaction for each part of it, so that appends go on. */
static varve_status meet_whole(struct build *met, varve_error *error)
{
    struct inlines *inlines = met->inlines;
    varve_status status = VARVE_OK;
    do {
        status = store_change_inline(inlines->options.store, meet, met, error);
    } while (status >= 0 && met->is_behind && !atomic_load(&inlines->stopping));
    if (status == VARVE_PROJECTION_REFUSED && met->failed > 1) {
        /* What came before it is kept, so that an append that meets it again has little to do. */
        const varve_error refusal = *error;
        met->until = met->failed - 1;
        (void)store_change_inline(inlines->options.store, meet, met, NULL);
        set_fault(inlines, met->model, met->failed, refusal.message);
    }
    return status;
}

/* A model that cannot take an event of the log is no reason not to serve the others. */
static varve_status bear(const struct inlines *inlines, const struct inlined *model, varve_status status,
                         const varve_error *error)
{
    if (status != VARVE_PROJECTION_REFUSED) return status;
    log_line(&inlines->options.log, VARVE_LOG_ERROR,
             "inline projection %.*s is faulted, nothing that it would see can be appended: %s",
             (int)model->file->name.len, model->file->name.ptr, error->message);
    return VARVE_OK;
}

/* Has a model as this version of the application makes it. */
static varve_status begin_with(struct inlines *inlines, struct inlined *model, varve_error *error)
{
    struct build met = { .inlines = inlines, .model = model };
    varve_status status = meet_whole(&met, error);
    if (status >= 0 && met.is_current) {
        clean(model);
    } else if (status >= 0) {
        set_building(inlines, model);
        status = build_model(inlines, model, false, error);
    }
    return bear(inlines, model, status, error);
}

varve_status inlines_open(struct inlines **out, const struct inlines_options *options, varve_error *error)
{
    struct inlines *inlines = *out = calloc(1, sizeof *inlines);
    if (inlines == NULL) return no_memory(error);
    inlines->options = *options;
    inlines->options.place.owner = (varve_str){ 0 }; /* what is built is nobody else's business */
    inlines->hooks = (struct store_inline){
        .sql = options->place.sql,
        .ctx = inlines,
        .open = on_open,
        .close = on_close,
        .concerns = on_concerns,
        .apply = on_apply,
        .seal = on_seal,
        .undone = on_undone,
    };
    pthread_mutex_init(&inlines->lock, NULL);
    pthread_mutex_init(&inlines->asking, NULL);
    return VARVE_OK;
}

varve_status inlines_add(struct inlines *inlines, const struct sqlfile *file, varve_error *error)
{
    struct inlined **grown = reallocarray(inlines->models, inlines->count + 1, sizeof(struct inlined *));
    if (grown == NULL) return no_memory(error);
    inlines->models = grown;
    struct inlined *model = grown[inlines->count] = calloc(1, sizeof *model);
    if (model == NULL) return no_memory(error);
    inlines->count++;
    model->file = file;
    return VARVE_OK;
}

/* Whether its tables say so. */
static bool defers(const struct inlined *model)
{
    const struct sqlfile_section *create = model->file->create;
    const struct sqlfile_statement *statement = create == NULL ? NULL : create->statements;
    while (statement != NULL && strcasestr(statement->text.ptr, "DEFERR") == NULL) statement = statement->next;
    return statement != NULL;
}

static varve_status complete(struct inlines *inlines, struct inlined *model, varve_error *error)
{
    model->home = (struct generation_home){
        .place = inlines->options.place,
        .file = model->file,
        .incarnation = varve_store_incarnation(inlines->options.store, model->incarnation),
        .upcasters = inlines->options.upcasters,
    };
    model->upcast.set = inlines->options.upcasters;
    model->defers = inlines->options.place.kind->check_deferred != NULL && defers(model);
    varve_status status = generation_home_complete(&model->home, &model->memory, error);
    if (status < 0) return status;
    varve_str *grown = reallocarray(inlines->types, inlines->type_count + model->home.type_count, sizeof *grown);
    if (grown == NULL) return no_memory(error);
    inlines->types = grown;
    for (size_t i = 0; i < model->home.type_count; i++) grown[inlines->type_count++] = model->home.types[i];
    return VARVE_OK;
}

const varve_str *inlines_types(const struct inlines *inlines, size_t *count)
{
    *count = inlines->type_count;
    return inlines->types;
}

varve_status inlines_start(struct inlines *inlines, varve_error *error)
{
    varve_store *store = inlines->options.store;
    varve_status status = VARVE_OK;
    varve_error unheard = { 0 };
    error = error == NULL ? &unheard : error;
    if (inlines->count == 0) return VARVE_OK;
    for (size_t i = 0; i < inlines->count && status >= 0; i++) status = complete(inlines, inlines->models[i], error);
    if (status >= 0) status = store_set_inline(store, &inlines->hooks, error);
    if (status < 0) return status;
    inlines->is_started = true;
    status = store_change_inline(store, make_table, inlines, error);
    for (size_t i = 0; i < inlines->count && status >= 0; i++) status = begin_with(inlines, inlines->models[i], error);
    return status;
}

static void *rebuild(void *ctx)
{
    struct inlines *inlines = ctx;
    (void)build_model(inlines, inlines->built, true, NULL);
    return NULL;
}

static struct inlined *find(const struct inlines *inlines, const struct sqlfile *file)
{
    for (size_t i = 0; i < inlines->count; i++)
        if (inlines->models[i]->file == file) return inlines->models[i];
    return NULL;
}

static void join_builder(struct inlines *inlines)
{
    if (inlines->built != NULL) pthread_join(inlines->builder, NULL);
    inlines->built = NULL;
}

/* One thread at a time is here. */
static varve_status begin(struct inlines *inlines, struct inlined *model, varve_error *error)
{
    pthread_mutex_lock(&inlines->lock);
    bool is_busy = inlines->built != NULL && inlines->built->is_building;
    pthread_mutex_unlock(&inlines->lock);
    if (is_busy) return varve_error_set(error, VARVE_BUSY, "an inline projection is being built: one at a time");
    join_builder(inlines);
    inlines->built = model;
    set_building(inlines, model);
    int failed = pthread_create(&inlines->builder, NULL, rebuild, inlines);
    if (failed == 0) return VARVE_OK;
    end_building(inlines, model, "");
    inlines->built = NULL;
    return varve_error_set(error, VARVE_UNAVAILABLE, "no thread to build a projection: %s", strerror(failed));
}

varve_status inlines_rebuild(struct inlines *inlines, const struct sqlfile *file, varve_error *error)
{
    if (!inlines->is_started) return varve_error_set(error, VARVE_UNAVAILABLE, "nobody runs projections here");
    pthread_mutex_lock(&inlines->asking);
    varve_status status = begin(inlines, find(inlines, file), error);
    pthread_mutex_unlock(&inlines->asking);
    return status;
}

void inlines_get_status(struct inlines *inlines, const struct sqlfile *file, varve_projection_status *status,
                        char problem[256])
{
    const struct inlined *model = find(inlines, file);
    status->position = status->head;
    if (model == NULL) return; /* the start failed before it was added */
    pthread_mutex_lock(&inlines->lock);
    memcpy(problem, model->problem, sizeof model->problem);
    status->rebuilding = model->is_building;
    status->rebuild_done = model->built;
    double seconds = (double)(clock_ns() - model->began_ns) / 1e9;
    status->rebuild_rate = model->is_building && seconds > 0 ? (double)model->built / seconds : 0;
    status->failed_position = model->failed;
    pthread_mutex_unlock(&inlines->lock);
    if (status->failed_position > 0) status->position = status->failed_position - 1;
    status->state = !inlines->is_started          ? VARVE_PROJECTION_STOPPED
                    : status->failed_position > 0 ? VARVE_PROJECTION_FAULTED
                                                  : VARVE_PROJECTION_LIVE;
    status->problem = varve_str_of(problem);
}

void inlines_close(struct inlines *inlines)
{
    if (inlines == NULL) return;
    atomic_store(&inlines->stopping, true);
    join_builder(inlines);
    if (inlines->is_started) (void)store_set_inline(inlines->options.store, NULL, NULL);
    for (size_t i = 0; i < inlines->count; i++) {
        upcast_fini(&inlines->models[i]->upcast);
        varve_buf_fini(&inlines->models[i]->tables);
        arena_fini(&inlines->models[i]->memory);
        free(inlines->models[i]);
    }
    free(inlines->types);
    free(inlines->models);
    pthread_mutex_destroy(&inlines->asking);
    pthread_mutex_destroy(&inlines->lock);
    free(inlines);
}
