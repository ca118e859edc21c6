/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations as schemas of one database. The home is the schema that the location names; a dollar, which no
 * name of ours has, keeps HOME$NAME$NUMBER apart from everybody else's.
 */
#include <stdio.h>

#include "query/place.h"

/* The home's name: the last `schema` parameter of the URI. */
static varve_str home_of(const struct place *place)
{
    static const char key[] = "schema=";
    varve_str home = VARVE_STR(SQL_SCHEMA_DEFAULT);
    const char *at = place->location + strcspn(place->location, "?");
    for (; *at != '\0'; at += strcspn(at, "&")) {
        at++;
        if (strncmp(at, key, sizeof key - 1) == 0) {
            home.ptr = at + sizeof key - 1;
            home.len = strcspn(home.ptr, "&");
        }
    }
    return home;
}

/* The place's URI with another schema, whose name begins with the home's. */
static void locate_schema(const struct place *place, varve_str name, const char *suffix, varve_buf *location)
{
    varve_str home = home_of(place);
    varve_buf_printf(location, "%s%cschema=%.*s$%.*s$%s", place->location,
                     strchr(place->location, '?') == NULL ? '?' : '&', (int)home.len, home.ptr, (int)name.len, name.ptr,
                     suffix);
}

static void locate(const struct place *place, varve_str name, uint64_t number, varve_buf *location)
{
    char suffix[24];
    snprintf(suffix, sizeof suffix, "%llu", (unsigned long long)number);
    locate_schema(place, name, suffix, location);
}

/* No URI: it may hold a password. */
static void label(const struct place *place, varve_str name, uint64_t number, varve_buf *text)
{
    varve_str home = home_of(place);
    varve_buf_printf(text, "schema %.*s$%.*s$%llu", (int)home.len, home.ptr, (int)name.len, name.ptr,
                     (unsigned long long)number);
}

static void locate_reader(const struct place *place, varve_buf *location)
{
    varve_buf_str(location, varve_str_of(place->location));
}

static void locate_scratch(const struct place *place, const char *name, varve_buf *location)
{
    locate_schema(place, VARVE_STR("scratch"), name, location);
}

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for a read model");
}

static varve_status open_at(const struct place *place, varve_buf *location, enum sql_mode mode,
                            struct sql_session **session, varve_error *error)
{
    *session = NULL;
    varve_status status = location->failed ? no_memory(error) : place->sql->open(session, location->ptr, mode, error);
    varve_buf_fini(location);
    return status;
}

/* A session on the home. */
static varve_status open_home(const struct place *place, enum sql_mode mode, struct sql_session **session,
                              varve_error *error)
{
    varve_buf location = { 0 };
    locate_reader(place, &location);
    return open_at(place, &location, mode, session, error);
}

static varve_status prepare(const struct place *place, varve_error *error)
{
    struct sql_session *session = NULL;
    varve_status status = open_home(place, SQL_READ_WRITE, &session, error);
    if (status == VARVE_OK) {
        status = place->sql->exec(session,
                                  "CREATE TABLE IF NOT EXISTS read_models"
                                  " (projection TEXT PRIMARY KEY, serving BIGINT NOT NULL)",
                                  error);
    }
    place->sql->close(session);
    return status;
}

static varve_status check(const struct place *place, varve_str name, uint64_t number, varve_error *error)
{
    struct sql_session *session = NULL;
    varve_buf location = { 0 };
    locate(place, name, number, &location);
    varve_status status = open_at(place, &location, SQL_READ_ONLY, &session, error);
    place->sql->close(session);
    if (status == VARVE_NOT_FOUND) {
        status = VARVE_CORRUPT;
        if (error != NULL) {
            error->status = status;
        }
    }
    return status;
}

static varve_status prepare_lookup(const struct place *place, struct sql_session *session,
                                   struct sql_statement **lookup, varve_error *error)
{
    varve_str home = home_of(place);
    varve_buf text = { 0 };
    varve_buf_printf(&text, "SELECT serving FROM \"%.*s\".read_models WHERE projection = :name", (int)home.len,
                     home.ptr);
    varve_status status =
        text.failed ? no_memory(error) : place->sql->prepare(lookup, session, varve_buf_view(&text), SQL_OURS, error);
    varve_buf_fini(&text);
    return status;
}

static varve_status look_up(const struct place *place, struct sql_session *session, struct sql_statement **lookup,
                            varve_str name, uint64_t *number, varve_error *error)
{
    const struct sql_driver *sql = place->sql;
    const struct sql_value key = { .kind = SQL_TEXT, .text = name };
    struct sql_value value = { 0 };
    varve_status status = *lookup == NULL ? prepare_lookup(place, session, lookup, error) : VARVE_OK;
    if (status == VARVE_OK) {
        status = sql->bind(*lookup, 1, &key, error);
    }
    if (status == VARVE_OK) {
        status = sql->step(*lookup, error);
    }
    if (status == VARVE_OK) {
        sql->column(*lookup, 0, &value);
        *number = value.integer > 0 ? (uint64_t)value.integer : 0;
    }
    if (*lookup != NULL) {
        sql->reset(*lookup);
    }
    return status < 0 ? status : VARVE_OK;
}

static varve_status serving(const struct place *place, struct sql_session *session, struct sql_statement **lookup,
                            varve_str name, uint64_t *number, varve_error *error)
{
    struct sql_session *own = NULL;
    struct sql_statement *once = NULL;
    *number = 0;
    if (session != NULL) {
        return look_up(place, session, lookup, name, number, error);
    }
    varve_status status = open_home(place, SQL_READ_ONLY, &own, error);
    if (status == VARVE_OK) {
        status = look_up(place, own, &once, name, number, error);
    }
    place->sql->finalize(once);
    place->sql->close(own);
    /* No home, or one that no projection has been at. */
    return status == VARVE_NOT_FOUND || status == VARVE_INVALID ? VARVE_OK : status;
}

/*
 * The switch, in one transaction: the row that says which generation serves, and the views under a name that stays,
 * for people's tools. It is flushed, and the new generation with it, because the old one goes next. Who reads through
 * those views holds it up, but not for ever: it fails, and is tried again.
 */
static void write_switch(const struct place *place, varve_str name, uint64_t number, varve_buf *script)
{
    varve_str home = home_of(place);
    varve_buf views = { 0 };
    varve_buf_printf(&views, "%.*s$%.*s", (int)home.len, home.ptr, (int)name.len, name.ptr);
    const char *stable = views.failed ? "" : views.ptr;
    varve_buf_printf(script,
                     "BEGIN; SET LOCAL lock_timeout = 2000; SET LOCAL synchronous_commit = on;"
                     "INSERT INTO read_models VALUES ('%.*s', %llu)"
                     " ON CONFLICT (projection) DO UPDATE SET serving = excluded.serving;"
                     "DO $do$ DECLARE made name; BEGIN"
                     " IF to_regnamespace('\"%s\"') IS NULL THEN CREATE SCHEMA \"%s\"; END IF;",
                     (int)name.len, name.ptr, (unsigned long long)number, stable, stable);
    varve_buf_printf(script,
                     " FOR made IN SELECT relname FROM pg_class WHERE relkind = 'v'"
                     " AND relnamespace = '\"%s\"'::regnamespace LOOP"
                     " EXECUTE format('DROP VIEW %%I.%%I', '%s', made); END LOOP;",
                     stable, stable);
    varve_buf_printf(script,
                     " FOR made IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm')"
                     " AND relnamespace = '\"%s$%llu\"'::regnamespace AND NOT starts_with(relname, 'varve_') LOOP"
                     " EXECUTE format('CREATE VIEW %%I.%%I AS SELECT * FROM %%I.%%I', '%s', made, '%s$%llu', made);"
                     " END LOOP; END $do$; COMMIT",
                     stable, (unsigned long long)number, stable, stable, (unsigned long long)number);
    script->failed = script->failed || views.failed;
    varve_buf_fini(&views);
}

static varve_status publish(const struct place *place, varve_str name, uint64_t number, varve_error *error)
{
    struct sql_session *session = NULL;
    varve_buf script = { 0 };
    write_switch(place, name, number, &script);
    varve_status status = script.failed ? no_memory(error) : open_home(place, SQL_READ_WRITE, &session, error);
    if (status == VARVE_OK) {
        status = place->sql->exec(session, script.ptr, error);
    }
    place->sql->close(session);
    varve_buf_fini(&script);
    return status;
}

/* Its session holds the schema's lock, so nobody else is at work on it. Who still reads it is waited for a while;
 * what then stays is removed at the next rebuild or start. */
static void remove_schema(const struct place *place, struct sql_session *session, varve_str name, uint64_t number)
{
    (void)name;
    (void)number;
    if (session != NULL) {
        place->sql->exec(session,
                         "SET lock_timeout = 2000; DO $$ BEGIN"
                         " EXECUTE format('DROP SCHEMA %I CASCADE', current_schema()); END $$",
                         NULL);
    }
    place->sql->close(session);
}

static void remove_leftover(const struct place *place, varve_str name, uint64_t number)
{
    struct sql_session *session = NULL;
    varve_buf location = { 0 };
    locate(place, name, number, &location);
    if (open_at(place, &location, SQL_READ_WRITE, &session, NULL) == VARVE_OK) {
        remove_schema(place, session, name, number);
    }
}

static uint64_t clean(const struct place *place, varve_str name, uint64_t serving_number)
{
    static const char text[] = "SELECT substr(nspname, length(prefix) + 1)"
                               " FROM (SELECT current_schema() || '$' || CAST(:name AS text) || '$' AS prefix) AS p"
                               " JOIN pg_namespace ON starts_with(nspname, prefix)";
    const struct sql_driver *sql = place->sql;
    const struct sql_value key = { .kind = SQL_TEXT, .text = name };
    struct sql_session *session = NULL;
    struct sql_statement *list = NULL;
    uint64_t highest = serving_number;
    varve_status status = open_home(place, SQL_READ_ONLY, &session, NULL);
    if (status == VARVE_OK) {
        status = sql->prepare(&list, session, varve_str_of(text), SQL_OURS, NULL);
    }
    if (status == VARVE_OK) {
        status = sql->bind(list, 1, &key, NULL);
    }
    while (status == VARVE_OK && (status = sql->step(list, NULL)) == VARVE_OK) {
        const char *rest = NULL;
        struct sql_value value;
        sql->column(list, 0, &value);
        uint64_t number = value.kind == SQL_TEXT ? place_number(value.text.ptr, &rest) : 0;
        if (number == 0 || *rest != '\0') {
            continue;
        }
        highest = number > highest ? number : highest;
        if (number != serving_number) {
            remove_leftover(place, name, number);
        }
    }
    sql->finalize(list);
    sql->close(session);
    return highest;
}

const struct place_kind place_schemas = {
    .prepare = prepare,
    .locate = locate,
    .label = label,
    .locate_reader = locate_reader,
    .locate_scratch = locate_scratch,
    .check = check,
    .serving = serving,
    .publish = publish,
    .clean = clean,
    .remove = remove_schema,
};
