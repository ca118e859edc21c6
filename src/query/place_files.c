/* SPDX-License-Identifier: Apache-2.0 */
/* Generations as files of a folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "query/place.h"

static void locate(const struct place *place, varve_str name, uint64_t number, varve_buf *location)
{
    varve_buf_printf(location, "%s/%.*s.%llu.db", place->location, (int)name.len, name.ptr, (unsigned long long)number);
}

static void locate_reader(const struct place *place, varve_buf *location)
{
    (void)place;
    varve_buf_str(location, VARVE_STR(""));
}

static void locate_scratch(const struct place *place, const char *name, varve_buf *location)
{
    (void)place;
    varve_buf_str(location, varve_str_of(name));
}

static void link_path(const struct place *place, varve_str name, const char *suffix, varve_buf *path)
{
    varve_buf_printf(path, "%s/%.*s.db%s", place->location, (int)name.len, name.ptr, suffix);
}

static varve_status no_memory(varve_error *error)
{
    return varve_error_set(error, VARVE_NOMEM, "no memory for a read model");
}

/* The number in "NAME.12.db…"; 0 when the file is none of this projection's. `*rest` is what follows ".db". */
static uint64_t number_in(const char *file, varve_str name, const char **rest)
{
    if (strncmp(file, name.ptr, name.len) != 0 || file[name.len] != '.') {
        return 0;
    }
    uint64_t number = place_number(file + name.len + 1, rest);
    if (number == 0 || strncmp(*rest, ".db", 3) != 0) {
        return 0;
    }
    *rest += 3;
    return number;
}

static varve_status prepare(const struct place *place, varve_error *error)
{
    if (mkdir(place->location, 0777) < 0 && errno != EEXIST) {
        return varve_error_set(error, VARVE_IO, "%s: %s", place->location, strerror(errno));
    }
    return VARVE_OK;
}

static varve_status check(const struct place *place, varve_str name, uint64_t number, varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_buf path = { 0 };
    locate(place, name, number, &path);
    if (path.failed) {
        status = no_memory(error);
    } else if (access(path.ptr, F_OK) < 0) {
        status = errno == ENOENT ? VARVE_CORRUPT : VARVE_IO;
        varve_error_set(error, status, "%s: %s", path.ptr, strerror(errno));
    }
    varve_buf_fini(&path);
    return status;
}

static varve_status serving(const struct place *place, struct sql_session *session, struct sql_statement **lookup,
                            varve_str name, uint64_t *number, varve_error *error)
{
    char target[128];
    const char *rest = NULL;
    varve_status status = VARVE_OK;
    varve_buf path = { 0 };
    (void)session;
    (void)lookup;
    *number = 0;
    link_path(place, name, "", &path);
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

static varve_status publish(const struct place *place, varve_str name, uint64_t number, varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_buf link = { 0 }, beside = { 0 }, target = { 0 };
    link_path(place, name, "", &link);
    link_path(place, name, ".new", &beside);
    varve_buf_printf(&target, "%.*s.%llu.db", (int)name.len, name.ptr, (unsigned long long)number);
    if (link.failed || beside.failed || target.failed) {
        status = no_memory(error);
    } else if ((unlink(beside.ptr) < 0 && errno != ENOENT) || symlink(target.ptr, beside.ptr) < 0 ||
               rename(beside.ptr, link.ptr) < 0) {
        status = varve_error_set(error, VARVE_UNAVAILABLE, "%s: %s", link.ptr, strerror(errno));
    }
    varve_buf_fini(&link);
    varve_buf_fini(&beside);
    varve_buf_fini(&target);
    return status;
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

static uint64_t clean(const struct place *place, varve_str name, uint64_t serving_number)
{
    uint64_t highest = serving_number;
    DIR *folder = opendir(place->location);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *rest = NULL;
        uint64_t number = number_in(entry->d_name, name, &rest);
        highest = number > highest ? number : highest;
        if (number > 0 && number != serving_number && is_side_file(place->sql, rest)) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return highest;
}

static void remove_files(const struct place *place, struct sql_session *session, varve_str name, uint64_t number)
{
    varve_buf path = { 0 };
    place->sql->close(session);
    locate(place, name, number, &path);
    size_t len = path.len;
    if (!path.failed) {
        unlink(path.ptr);
    }
    for (const char *const *side = place->sql->side_files; side != NULL && *side != NULL; side++) {
        path.len = len;
        varve_buf_str(&path, varve_str_of(*side));
        if (!path.failed) {
            unlink(path.ptr);
        }
    }
    varve_buf_fini(&path);
}

/* The file is never removed: who waits with it open would hold another lock than the next one. */
static varve_status guard(const struct place *place, varve_str name, bool make, struct place_guard *guard,
                          varve_error *error)
{
    varve_status status = VARVE_OK;
    varve_buf path = { 0 };
    varve_buf_printf(&path, "%s/%.*s.lock", place->location, (int)name.len, name.ptr);
    int fd = path.failed ? -1 : open(path.ptr, O_RDWR | O_CLOEXEC | (make ? O_CREAT : 0), 0666);
    if (path.failed) {
        status = no_memory(error);
    } else if (fd < 0) {
        status = errno == ENOENT && !make ? VARVE_NOT_FOUND : VARVE_IO;
        varve_error_set(error, status, "%s: %s", path.ptr, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        status = errno == EWOULDBLOCK ? VARVE_BUSY : VARVE_IO;
        varve_error_set(error, status, "%s: %s", path.ptr, status == VARVE_BUSY ? "somebody has it" : strerror(errno));
        close(fd);
    } else {
        guard->fd = fd + 1;
    }
    varve_buf_fini(&path);
    return status;
}

static void unguard(const struct place *place, struct place_guard *guard)
{
    (void)place;
    if (guard->fd > 0) {
        close(guard->fd - 1);
    }
    *guard = (struct place_guard){ 0 };
}

/* Texts as literals of SQL; one with a NUL in it, which a literal would end at, as bytes. */
#define LITERAL                                                                                              \
    "replace('quote(iif(typeof(#) = ''text'' AND instr(#, char(0)) > 0, CAST(# AS BLOB), #))', '#', '\"' ||" \
    " replace(name, '\"', '\"\"') || '\"')"

static const char tables[] =
    "SELECT name, columns, 'SELECT ' || coalesce(key, row) || ' AS varve_key, ' || row || ' AS varve_row, * FROM \"'"
    " || replace(name, '\"', '\"\"') || '\" ORDER BY 1, 2'"
    " FROM (SELECT t.name AS name,"
    "  (SELECT group_concat(name || ' ' || type, ', ') FROM"
    "   (SELECT name, type FROM pragma_table_xinfo(t.name) WHERE hidden <> 1 ORDER BY cid)) AS columns,"
    "  (SELECT group_concat(text, ' || '','' || ') FROM"
    "   (SELECT " LITERAL " AS text FROM pragma_table_xinfo(t.name) WHERE pk > 0 ORDER BY pk)) AS key,"
    "  (SELECT group_concat(text, ' || '','' || ') FROM"
    "   (SELECT " LITERAL " AS text FROM pragma_table_xinfo(t.name) WHERE hidden <> 1 ORDER BY cid)) AS row"
    " FROM pragma_table_list AS t WHERE t.schema = 'main' AND t.type IN ('table', 'virtual')"
    "  AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name NOT LIKE 'varve\\_%' ESCAPE '\\')";

/* ---- into the log's file ---- */

static void add_quoted(varve_buf *text, varve_str name)
{
    varve_buf_str(text, VARVE_STR("\""));
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"') varve_buf_str(text, VARVE_STR("\""));
        varve_buf_add(text, &name.ptr[i], 1);
    }
    varve_buf_str(text, VARVE_STR("\""));
}

static varve_status run(const struct place *place, struct sql_session *session, varve_buf *script, varve_error *error)
{
    varve_status status = script->failed ? no_memory(error) : place->sql->exec(session, script->ptr, error);
    varve_buf_fini(script);
    return status;
}

/* Lines of a kind, a tab and a name, the last one made first. */
static varve_status drop_all(const struct place *place, struct sql_session *session, varve_str names,
                             varve_error *error)
{
    varve_status status = VARVE_OK;
    while (names.len > 0 && status >= 0) {
        size_t end = names.len - 1, begin = end;
        while (begin > 0 && names.ptr[begin - 1] != '\n') begin--;
        varve_str line = { names.ptr + begin, end - begin };
        const char *tab = memchr(line.ptr, '\t', line.len);
        size_t kind = tab == NULL ? 0 : (size_t)(tab - line.ptr);
        varve_buf script = { 0 };
        varve_buf_printf(&script, "DROP %.*s IF EXISTS ", (int)kind, line.ptr);
        add_quoted(&script, (varve_str){ line.ptr + kind + 1, line.len - kind - 1 });
        status = tab == NULL ? varve_error_set(error, VARVE_CORRUPT, "varve_inline names no tables")
                             : run(place, session, &script, error);
        if (tab == NULL) varve_buf_fini(&script);
        names.len = begin;
    }
    return status;
}

/* The columns of a table that are not computed: "a", "b" … */
static varve_status list_columns(const struct place *place, struct sql_session *session, varve_str table,
                                 varve_buf *columns, varve_error *error)
{
    static const char question[] = "SELECT group_concat('\"' || replace(name, '\"', '\"\"') || '\"', ', ') FROM"
                                   " (SELECT name FROM pragma_table_xinfo(:name) WHERE hidden = 0 ORDER BY cid)";
    const struct sql_driver *sql = place->sql;
    const struct sql_value name = { .kind = SQL_TEXT, .text = table };
    struct sql_statement *list = NULL;
    struct sql_value value = { 0 };
    varve_status status = sql->prepare(&list, session, varve_str_of(question), SQL_OURS, error);
    if (status >= 0) status = sql->bind(list, 1, &name, error);
    if (status >= 0) status = sql->step(list, error);
    if (status == VARVE_OK) sql->column(list, 0, &value);
    if (status == VARVE_OK) varve_buf_str(columns, value.text);
    sql->finalize(list);
    return status < 0 ? status : columns->failed ? no_memory(error) : VARVE_OK;
}

/* INSERT INTO "t" (columns) VALUES (:p1, :p2 …) */
static varve_status prepare_copy(const struct place *place, struct sql_session *session, varve_str table,
                                 varve_str columns, int count, struct sql_statement **insert, varve_error *error)
{
    varve_buf text = { 0 };
    varve_buf_str(&text, VARVE_STR("INSERT INTO "));
    add_quoted(&text, table);
    varve_buf_printf(&text, " (%.*s)", (int)columns.len, columns.ptr);
    for (int i = 0; i < count; i++) varve_buf_printf(&text, "%s:p%d", i == 0 ? " VALUES (" : ", ", i + 1);
    varve_buf_str(&text, VARVE_STR(")"));
    varve_status status =
        text.failed ? no_memory(error) : place->sql->prepare(insert, session, varve_buf_view(&text), SQL_OURS, error);
    varve_buf_fini(&text);
    return status;
}

static varve_status copy_row(const struct sql_driver *sql, struct sql_statement *rows, struct sql_statement *insert,
                             varve_error *error)
{
    varve_status status = VARVE_OK;
    struct sql_value value;
    for (int i = 0; i < sql->column_count(rows) && status >= 0; i++) {
        sql->column(rows, i, &value);
        status = sql->bind(insert, i + 1, &value, error);
    }
    if (status >= 0) status = sql->step(insert, error);
    sql->reset(insert);
    return status < 0 ? status : VARVE_OK;
}

static varve_status copy_rows(const struct place *place, struct sql_session *from, struct sql_session *to,
                              varve_str table, varve_error *error)
{
    const struct sql_driver *sql = place->sql;
    struct sql_statement *rows = NULL, *insert = NULL;
    varve_buf text = { 0 }, columns = { 0 };
    varve_status status = list_columns(place, from, table, &columns, error);
    varve_buf_printf(&text, "SELECT %.*s FROM ", (int)columns.len, columns.ptr == NULL ? "" : columns.ptr);
    add_quoted(&text, table);
    if (status >= 0 && text.failed) status = no_memory(error);
    if (status >= 0) status = sql->prepare(&rows, from, varve_buf_view(&text), SQL_OURS, error);
    if (status >= 0)
        status = prepare_copy(place, to, table, varve_buf_view(&columns), sql->column_count(rows), &insert, error);
    while (status >= 0 && (status = sql->step(rows, error)) == VARVE_OK) status = copy_row(sql, rows, insert, error);
    sql->finalize(rows);
    sql->finalize(insert);
    varve_buf_fini(&columns);
    varve_buf_fini(&text);
    return status < 0 ? status : VARVE_OK;
}

/* One object as sqlite_schema has it; a table with its rows, before anything that would notice them. */
static varve_status take_object(const struct place *place, struct sql_session *from, struct sql_session *to,
                                const struct sql_value *object, varve_buf *names, varve_error *error)
{
    varve_str type = object[0].text, name = object[1].text;
    bool is_table = varve_str_is(type, "table");
    varve_buf script = { 0 };
    if (strncasecmp(object[2].text.ptr, "CREATE VIRTUAL", strlen("CREATE VIRTUAL")) == 0)
        return varve_error_set(error, VARVE_INVALID,
                               "'%.*s' is a virtual table, which an inline projection cannot have", (int)name.len,
                               name.ptr);
    varve_buf_str(&script, object[2].text);
    varve_status status = run(place, to, &script, error);
    if (status >= 0 && is_table) status = copy_rows(place, from, to, name, error);
    if (is_table || varve_str_is(type, "view"))
        varve_buf_printf(names, "%.*s\t%.*s\n", (int)type.len, type.ptr, (int)name.len, name.ptr);
    return status;
}

static varve_status take_in(const struct place *place, varve_str name, uint64_t number, struct sql_session *session,
                            varve_str before, varve_buf *names, varve_error *error)
{
    static const char question[] =
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND substr(name, 1, 6) <> 'varve_' AND "
        "substr(name, 1, 7) <> 'sqlite_' ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 "
        "ELSE 3 END, rowid";
    const struct sql_driver *sql = place->sql;
    struct sql_session *from = NULL;
    struct sql_statement *objects = NULL;
    varve_buf path = { 0 };
    locate(place, name, number, &path);
    varve_status status = drop_all(place, session, before, error);
    if (status >= 0) status = path.failed ? no_memory(error) : sql->open(&from, path.ptr, SQL_READ_ONLY, error);
    if (status >= 0) status = sql->begin(from, error);
    if (status >= 0) status = sql->prepare(&objects, from, varve_str_of(question), SQL_OURS, error);
    while (status >= 0 && (status = sql->step(objects, error)) == VARVE_OK) {
        struct sql_value object[3];
        for (int i = 0; i < 3; i++) sql->column(objects, i, &object[i]);
        status = take_object(place, from, session, object, names, error);
    }
    sql->finalize(objects);
    sql->close(from);
    if (status >= 0 && names->failed) status = no_memory(error);
    if (status == VARVE_NOT_FOUND || (status >= 0 && names->len == 0))
        status = varve_error_set(error, VARVE_CORRUPT, "there is nothing in %s", path.ptr);
    varve_buf_fini(&path);
    return status < 0 ? status : VARVE_OK;
}

const struct place_kind place_files = {
    .prepare = prepare,
    .locate = locate,
    .label = locate,
    .locate_reader = locate_reader,
    .locate_scratch = locate_scratch,
    .check = check,
    .serving = serving,
    .publish = publish,
    .clean = clean,
    .remove = remove_files,
    .take_in = take_in,
    .guard = guard,
    .unguard = unguard,
    .tables = tables,
};
