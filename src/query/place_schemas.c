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
        /* Of two that begin at once, one would fail for what the other has just made. */
        status =
            place->sql->exec(session,
                             "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('varve:' || current_schema(), 1));"
                             "CREATE TABLE IF NOT EXISTS read_models (projection TEXT PRIMARY KEY,"
                             " serving BIGINT NOT NULL, owner TEXT NOT NULL DEFAULT '',"
                             " epoch BIGINT NOT NULL DEFAULT 0); COMMIT",
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

/* ---- changes ---- */

/* Runs a question of ours with up to two texts and a number for its parameters; DONE when it has no row. */
static varve_status ask(const struct place *place, struct sql_statement *statement, const struct sql_value *values,
                        int count, struct sql_value *answer, varve_error *error)
{
    varve_status status = VARVE_OK;
    for (int i = 0; status == VARVE_OK && i < count; i++) {
        status = place->sql->bind(statement, i + 1, &values[i], error);
    }
    if (status == VARVE_OK) {
        status = place->sql->step(statement, error);
    }
    if (status == VARVE_OK && answer != NULL) {
        place->sql->column(statement, 0, answer);
    }
    return status;
}

static varve_status prepare_in_home(const struct place *place, struct sql_session *session, const char *before,
                                    const char *after, struct sql_statement **statement, varve_error *error)
{
    varve_str home = home_of(place);
    varve_buf text = { 0 };
    varve_buf_printf(&text, "%s\"%.*s\".read_models%s", before, (int)home.len, home.ptr, after);
    varve_status status = text.failed ? no_memory(error)
                                      : place->sql->prepare(statement, session, varve_buf_view(&text), SQL_OURS, error);
    varve_buf_fini(&text);
    return status;
}

/*
 * FOR SHARE only for partitions: a connection of this process's own that was lost may have a COMMIT under way, and what
 * finds out how far the model is waits for that too.
 * A row that became another's after the snapshot is a conflict of transactions, so the next try tells.
 */
static varve_status fence(const struct place *place, struct sql_session *session, struct sql_statement **statement,
                          varve_str name, bool shared, varve_error *error)
{
    static const char exclusive[] = " WHERE projection = :name AND owner = :owner AND epoch = :epoch FOR NO KEY UPDATE";
    static const char sharing[] = " WHERE projection = :name AND owner = :owner AND epoch = :epoch FOR SHARE";
    const struct sql_value values[] = {
        { .kind = SQL_TEXT, .text = name },
        { .kind = SQL_TEXT, .text = place->owner },
        { .kind = SQL_INTEGER, .integer = (int64_t)place->epoch },
    };
    varve_status status = VARVE_OK;
    if (*statement == NULL) {
        status =
            prepare_in_home(place, session, "SELECT serving FROM ", shared ? sharing : exclusive, statement, error);
    }
    if (status == VARVE_OK) {
        status = ask(place, *statement, values, 3, NULL, error);
    }
    if (*statement != NULL) {
        place->sql->reset(*statement);
    }
    return status != VARVE_DONE
               ? status
               : varve_error_set(error, VARVE_LOCKED, "the models of projection %.*s are another's now", (int)name.len,
                                 name.ptr);
}

/* Runs a script in a transaction that is fenced where the place is shared. */
static varve_status run_fenced(const struct place *place, struct sql_session *session, varve_str name,
                               const char *script, varve_error *error)
{
    struct sql_statement *lock = NULL;
    varve_status status = place->sql->begin(session, error);
    if (status == VARVE_OK && place->owner.len > 0) {
        status = fence(place, session, &lock, name, false, error);
    }
    if (status == VARVE_OK) {
        status = place->sql->exec(session, script, error);
    }
    if (status == VARVE_OK) {
        status = place->sql->commit(session, error);
    }
    if (status < 0) {
        place->sql->rollback(session);
    }
    place->sql->finalize(lock);
    return status;
}

static varve_status identify(const struct place *place, struct sql_session *session, varve_buf *text,
                             varve_error *error)
{
    static const char question[] = "SELECT format('[%s %s]', pid, backend_start) FROM pg_stat_activity"
                                   " WHERE pid = pg_backend_pid()";
    struct sql_statement *statement = NULL;
    struct sql_value value = { 0 };
    varve_status status = place->sql->prepare(&statement, session, varve_str_of(question), SQL_OURS, error);
    if (status == VARVE_OK) {
        status = ask(place, statement, NULL, 0, &value, error);
    }
    if (status == VARVE_OK) {
        varve_buf_str(text, value.text);
    }
    place->sql->finalize(statement);
    return status < 0 ? status : VARVE_OK;
}

/* Ends the connections of the owner before; a process id that is somebody else's by now has another beginning. */
static varve_status evict(const struct place *place, struct sql_session *session, varve_str before, varve_error *error)
{
    static const char question[] =
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE strpos(CAST(:before AS text), format('[%s %s]', pid, backend_start)) > 0 AND pid <> pg_backend_pid()";
    const struct sql_value value = { .kind = SQL_TEXT, .text = before };
    struct sql_statement *statement = NULL;
    varve_status status = place->sql->prepare(&statement, session, varve_str_of(question), SQL_OURS, error);
    if (status == VARVE_OK) {
        status = ask(place, statement, &value, 1, NULL, error);
    }
    place->sql->finalize(statement);
    return status < 0 ? status : VARVE_OK;
}

static varve_status claim(const struct place *place, varve_str name, varve_str before, varve_error *error)
{
    const struct sql_value values[] = {
        { .kind = SQL_TEXT, .text = name },
        { .kind = SQL_TEXT, .text = place->owner },
        { .kind = SQL_INTEGER, .integer = (int64_t)place->epoch },
    };
    struct sql_session *session = NULL;
    struct sql_statement *statement = NULL;
    varve_status status = open_home(place, SQL_READ_WRITE, &session, error);
    if (status == VARVE_OK && before.len > 0) {
        status = evict(place, session, before, error);
    }
    if (status == VARVE_OK) {
        status = place->sql->exec(session, "SET lock_timeout = 5000", error);
    }
    if (status == VARVE_OK) {
        status =
            prepare_in_home(place, session, "INSERT INTO ",
                            " (projection, serving, owner, epoch) VALUES (:name, 0, :owner, :epoch)"
                            " ON CONFLICT (projection) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch",
                            &statement, error);
    }
    if (status == VARVE_OK) {
        status = ask(place, statement, values, 3, NULL, error);
    }
    place->sql->finalize(statement);
    place->sql->close(session);
    return status < 0 ? status : VARVE_OK;
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
                     "SET LOCAL lock_timeout = 2000; SET LOCAL synchronous_commit = on;"
                     "INSERT INTO read_models (projection, serving) VALUES ('%.*s', %llu)"
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
                     " END LOOP; END $do$",
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
        status = run_fenced(place, session, name, script.ptr, error);
    }
    place->sql->close(session);
    varve_buf_fini(&script);
    return status;
}

/* Who still reads it is waited for a while; what then stays is removed at the next rebuild or start. */
static void remove_schema(const struct place *place, struct sql_session *session, varve_str name, uint64_t number)
{
    (void)number;
    if (session != NULL) {
        run_fenced(place, session, name,
                   "SET LOCAL lock_timeout = 2000; DO $$ BEGIN"
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

/* A lock of a session's own, which ends with it. */
static varve_status guard(const struct place *place, varve_str name, bool make, struct place_guard *guard,
                          varve_error *error)
{
    static const char question[] =
        "SELECT pg_try_advisory_lock(hashtextextended('varve:' || current_schema() || '$' || CAST(:name AS text), 1))";
    const struct sql_value key = { .kind = SQL_TEXT, .text = name };
    struct sql_statement *statement = NULL;
    struct sql_value got = { 0 };
    (void)make; /* there is nothing to make */
    varve_status status = open_home(place, SQL_READ_ONLY, &guard->session, error);
    if (status == VARVE_OK) {
        status = place->sql->prepare(&statement, guard->session, varve_str_of(question), SQL_OURS, error);
    }
    if (status == VARVE_OK) {
        status = ask(place, statement, &key, 1, &got, error);
    }
    place->sql->finalize(statement);
    return status < 0 ? status
           : got.integer == 0
               ? varve_error_set(error, VARVE_BUSY, "somebody has the lock of %.*s", (int)name.len, name.ptr)
               : VARVE_OK;
}

static void unguard(const struct place *place, struct place_guard *guard)
{
    place->sql->close(guard->session);
    *guard = (struct place_guard){ 0 };
}

static const char tables[] =
    "SELECT CAST(c.relname AS text), columns,"
    " format('SELECT %s COLLATE \"C\" AS varve_key, CAST(ROW(varve_t.*) AS text) COLLATE \"C\" AS varve_row, varve_t.*"
    " FROM %I AS varve_t ORDER BY 1, 2', format('CAST(ROW(%s) AS text)', coalesce(key, 'varve_t.*')), c.relname)"
    " FROM pg_class c,"
    " LATERAL (SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)"
    "   AS columns FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS a,"
    " LATERAL (SELECT string_agg(format('varve_t.%I', attname), ', '"
    "    ORDER BY array_position(CAST(i.indkey AS int2[]), attnum)) AS key"
    "   FROM pg_index i JOIN pg_attribute ON attrelid = i.indrelid AND attnum = ANY (i.indkey)"
    "   WHERE i.indrelid = c.oid AND i.indisprimary) AS k"
    " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT starts_with(c.relname, 'varve_')"
    " AND c.relnamespace = CAST(quote_ident(current_schema()) AS regnamespace)";

/* ---- into the log's schema ---- */

/* What lies in the generation, a line each: its kind, a tab, its name. */
static varve_status list_objects(const struct place *place, struct sql_session *session, varve_str schema,
                                 varve_buf *names, varve_error *error)
{
    static const char question[] =
        "SELECT (SELECT string_agg(CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END"
        " || chr(9) || relname || chr(10), '' ORDER BY oid) FROM pg_class WHERE relnamespace = n.oid"
        " AND relkind IN ('r', 'p', 'v', 'm') AND NOT starts_with(relname, 'varve_')),"
        " EXISTS (SELECT FROM pg_proc WHERE pronamespace = n.oid)"
        " OR EXISTS (SELECT FROM pg_type WHERE typnamespace = n.oid AND typtype IN ('d', 'e', 'r'))"
        " FROM pg_namespace n WHERE nspname = CAST(:schema AS text)";
    const struct sql_driver *sql = place->sql;
    const struct sql_value key = { .kind = SQL_TEXT, .text = schema };
    struct sql_value value = { 0 };
    struct sql_statement *statement = NULL;
    varve_status status = sql->prepare(&statement, session, varve_str_of(question), SQL_OURS, error);
    if (status == VARVE_OK) {
        status = ask(place, statement, &key, 1, &value, error);
    }
    if (status == VARVE_OK) {
        varve_buf_str(names, value.text);
        sql->column(statement, 1, &value);
        if (value.integer != 0) {
            status = varve_error_set(error, VARVE_INVALID,
                                     "an inline projection has tables, indexes, views, and no functions or types");
        }
    }
    sql->finalize(statement);
    return status < 0 ? status : names->failed ? no_memory(error) : VARVE_OK;
}

/* A line's kind and name. */
struct object {
    varve_str kind, name;
};

static struct object read_object(varve_str line)
{
    size_t kind = (size_t)((const char *)memchr(line.ptr, '\t', line.len) - line.ptr);
    return (struct object){ { line.ptr, kind }, { line.ptr + kind + 1, line.len - kind - 1 } };
}

/* The last one first: what others are made of goes after them. */
static void write_drops(varve_str names, varve_buf *script)
{
    while (names.len > 0) {
        size_t end = names.len - 1, begin = end;
        while (begin > 0 && names.ptr[begin - 1] != '\n') begin--;
        struct object object = read_object((varve_str){ names.ptr + begin, end - begin });
        varve_buf_printf(script, "DROP %.*s IF EXISTS \"%.*s\" CASCADE;", (int)object.kind.len, object.kind.ptr,
                         (int)object.name.len, object.name.ptr);
        names.len = begin;
    }
}

static void write_moves(varve_str names, const char *from, varve_str to, varve_buf *script)
{
    while (names.len > 0) {
        size_t end = (size_t)((const char *)memchr(names.ptr, '\n', names.len) - names.ptr);
        struct object object = read_object((varve_str){ names.ptr, end });
        varve_buf_printf(script, "ALTER %.*s \"%s\".\"%.*s\" SET SCHEMA \"%.*s\";", (int)object.kind.len,
                         object.kind.ptr, from, (int)object.name.len, object.name.ptr, (int)to.len, to.ptr);
        names.ptr += end + 1;
        names.len -= end + 1;
    }
}

/* Before the snapshot stands: the names of tables are always those of now. */
static void hold(const char *log, varve_buf *text)
{
    varve_buf_printf(text, "LOCK TABLE \"%s\".varve_inline IN ACCESS SHARE MODE", log);
}

static varve_status take_in(const struct place *place, varve_str name, uint64_t number, struct sql_session *session,
                            varve_str before, varve_buf *names, varve_error *error)
{
    varve_str home = home_of(place);
    varve_buf schema = { 0 }, script = { 0 };
    varve_buf_printf(&schema, "%.*s$%.*s$%llu", (int)home.len, home.ptr, (int)name.len, name.ptr,
                     (unsigned long long)number);
    varve_status status = schema.failed ? no_memory(error) : VARVE_OK;
    if (status == VARVE_OK) {
        status = list_objects(place, session, varve_buf_view(&schema), names, error);
    }
    if (status == VARVE_OK && names->len == 0) {
        status = varve_error_set(error, VARVE_CORRUPT, "there is nothing in schema %s", schema.ptr);
    }
    if (status == VARVE_OK) {
        /* See `hold`. Everybody who appends waits meanwhile, so not for long. */
        varve_buf_printf(&script,
                         "SET LOCAL lock_timeout = 2000;"
                         "LOCK TABLE \"%.*s\".varve_inline IN ACCESS EXCLUSIVE MODE;",
                         (int)home.len, home.ptr);
        write_drops(before, &script);
        write_moves(varve_buf_view(names), schema.ptr, home, &script);
        status = script.failed ? no_memory(error) : place->sql->exec(session, script.ptr, error);
    }
    varve_buf_fini(&schema);
    varve_buf_fini(&script);
    return status;
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
    .take_in = take_in,
    .guard = guard,
    .unguard = unguard,
    .hold = hold,
    .limit = "set_config('statement_timeout', '10s', true)",
    .check_deferred = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED",
    .tables = tables,
    .identify = identify,
    .claim = claim,
    .fence = fence,
};
