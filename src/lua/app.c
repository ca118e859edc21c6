/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/app.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua/decider.h"
#include "lua/projection.h"
#include "lua/upcaster.h"

#define FILE_BYTES_MAX (1u << 20)

struct aggregate {
    struct lua_decider *decider;
    struct aggregate *next;
};

struct upcaster {
    struct lua_upcaster *upcaster;
    struct upcaster *next;
};

struct projection {
    struct lua_projection *projection;
    struct projection *next;
};

/* A schema's type is part of its file's name. */
struct schema {
    char *file, *text;
    struct schema *next;
};

struct app {
    varve_engine *engine; /* NULL: only the aggregates and what belongs to them, for trying them */
    const char *folder;   /* during app_open */
    struct aggregate *aggregates;
    struct upcaster *upcasters;
    struct projection *projections; /* those in Lua */
    size_t file_count;

    /* Without an engine, what a candidate needs of the upcasters and schemas. */
    varve_upcaster_item *upcaster_items;
    varve_schema_item *schema_items;
    size_t upcaster_count, schema_count;
    struct schema *schemas;
};

/* Registers one file; `name` is as seen from the folder. */
typedef varve_status (*add_file)(struct app *app, const char *name, varve_str text, varve_error *error);

/* What stands in one folder, each kind of file with its suffix. */
struct kind {
    const char *folder;
    struct {
        const char *suffix;
        add_file add;
    } files[2]; /* the second may be missing */
};

/* Without an engine nobody else says which file it is that a category has a second aggregate in. */
static varve_status refuse_second(const struct app *app, const char *name, varve_error *error)
{
    const char *category = lua_decider_table(app->aggregates->decider)->category;

    for (const struct aggregate *other = app->aggregates->next; category != NULL && other != NULL;
         other = other->next) {
        const char *its = lua_decider_table(other->decider)->category;

        if (its != NULL && strcmp(category, its) == 0)
            return varve_error_set(error, VARVE_INVALID, "%s: the category '%s' has a decider already", name, category);
    }
    return VARVE_OK;
}

static varve_status add_aggregate(struct app *app, const char *name, varve_str text, varve_error *error)
{
    struct aggregate *aggregate = calloc(1, sizeof *aggregate);
    varve_status status;

    if (aggregate == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    aggregate->next = app->aggregates;
    app->aggregates = aggregate;
    status = lua_decider_open(&aggregate->decider, name, text, error);
    if (status < 0) return status;
    return app->engine == NULL ? refuse_second(app, name, error)
                               : lua_decider_add(aggregate->decider, app->engine, error);
}

static varve_status list_upcaster(struct app *app, struct lua_upcaster *upcaster, const char *name, varve_error *error)
{
    varve_upcaster_item *items = realloc(app->upcaster_items, (app->upcaster_count + 1) * sizeof *items);

    if (items == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    app->upcaster_items = items;
    items[app->upcaster_count++] = (varve_upcaster_item){ .upcaster = lua_upcaster_table(upcaster), .ctx = upcaster };
    return VARVE_OK;
}

static varve_status add_upcaster(struct app *app, const char *name, varve_str text, varve_error *error)
{
    struct upcaster *upcaster = calloc(1, sizeof *upcaster);
    varve_status status;

    if (upcaster == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    upcaster->next = app->upcasters;
    app->upcasters = upcaster;
    status = lua_upcaster_open(&upcaster->upcaster, name, text, error);
    if (status < 0) return status;
    return app->engine == NULL ? list_upcaster(app, upcaster->upcaster, name, error)
                               : lua_upcaster_add(upcaster->upcaster, app->engine, error);
}

static varve_status add_projection(struct app *app, const char *name, varve_str text, varve_error *error)
{
    return varve_engine_add_projection(app->engine, name, text, error);
}

static varve_status add_projection_in_lua(struct app *app, const char *name, varve_str text, varve_error *error)
{
    struct projection *projection = calloc(1, sizeof *projection);
    varve_status status;

    if (projection == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    projection->next = app->projections;
    app->projections = projection;
    status = lua_projection_open(&projection->projection, name, text, error);
    return status < 0 ? status : lua_projection_add(projection->projection, app->engine, error);
}

/* Keeps a copy of the file. */
static varve_status list_schema(struct app *app, const char *name, size_t type_len, uint32_t version, varve_str text,
                                varve_error *error)
{
    varve_schema_item *items = realloc(app->schema_items, (app->schema_count + 1) * sizeof *items);
    struct schema *schema = calloc(1, sizeof *schema);

    if (items != NULL) app->schema_items = items;
    if (schema != NULL) {
        schema->next = app->schemas;
        app->schemas = schema;
        schema->file = strdup(name);
        schema->text = strndup(text.ptr, text.len);
    }
    if (items == NULL || schema == NULL || schema->file == NULL || schema->text == NULL)
        return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    items[app->schema_count++] = (varve_schema_item){
        .type = { strrchr(schema->file, '/') + 1, type_len },
        .schema_version = version,
        .file = schema->file,
        .text = { schema->text, text.len },
    };
    return VARVE_OK;
}

/* schemas/TYPE.json is for schema version 1, schemas/TYPE.vN.json for N. */
static varve_status add_schema(struct app *app, const char *name, varve_str text, varve_error *error)
{
    const char *type = strrchr(name, '/') + 1;
    size_t len = strlen(type) - strlen(".json"), digits = 0;
    unsigned long version = 1;

    while (digits < len && digits < 10 && type[len - 1 - digits] >= '0' && type[len - 1 - digits] <= '9') digits++;
    if (digits > 0 && len > digits + 2 && type[len - digits - 1] == 'v' && type[len - digits - 2] == '.') {
        version = strtoul(type + len - digits, NULL, 10);
        len -= digits + 2;
        if (version == 0 || version > UINT32_MAX)
            return varve_error_set(error, VARVE_INVALID, "%s: a schema version is a number from 1", name);
    }
    return app->engine == NULL
               ? list_schema(app, name, len, (uint32_t)version, text, error)
               : varve_engine_add_schema(app->engine, (varve_str){ type, len }, (uint32_t)version, name, text, error);
}

static varve_status add_query(struct app *app, const char *name, varve_str text, varve_error *error)
{
    return varve_engine_add_query(app->engine, name, text, error);
}

/* Those that aggregates are tried with come first. */
static const struct kind kinds[] = {
    { "aggregates", { { ".lua", add_aggregate } } },
    { "upcasters", { { ".lua", add_upcaster } } },
    { "schemas", { { ".json", add_schema } } },
    { "projections", { { ".sql", add_projection }, { ".lua", add_projection_in_lua } } },
    { "queries", { { ".sql", add_query } } },
};

#define TRIED_KINDS 3
#define KIND_COUNT  (sizeof kinds / sizeof *kinds)

static const char *const not_built_yet[] = { "sagas", "reactions", "maps", "relays.yaml", "expectations.lua", NULL };

static bool ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);

    return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* Hidden files and what editors leave behind. */
static bool is_leftover(const char *name)
{
    return name[0] == '.' || ends_with(name, "~");
}

static bool is_document(const char *name)
{
    return strncmp(name, "README", 6) == 0 || strncmp(name, "LICENSE", 7) == 0 || ends_with(name, ".md") ||
           ends_with(name, ".txt");
}

static varve_status system_error(const char *name, varve_error *error)
{
    int reason = errno;
    varve_status status = reason == ENOENT                      ? VARVE_NOT_FOUND
                          : reason == EACCES || reason == EPERM ? VARVE_DENIED
                          : reason == ENOMEM                    ? VARVE_NOMEM
                          : reason == ENOTDIR                   ? VARVE_INVALID
                                                                : VARVE_IO;

    return varve_error_set(error, status, "%s: %s", name, strerror(reason));
}

/* ---- reading ---- */

static varve_status read_all(int file, const char *name, varve_buf *text, varve_error *error)
{
    char block[16384];
    ssize_t got;

    while ((got = read(file, block, sizeof block)) > 0 && text->len <= FILE_BYTES_MAX)
        varve_buf_add(text, block, (size_t)got);
    if (got < 0) return system_error(name, error);
    if (text->failed) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to read it", name);
    if (text->len > FILE_BYTES_MAX) return varve_error_set(error, VARVE_INVALID, "%s: larger than 1 MiB", name);
    return VARVE_OK;
}

/* `name` is as seen from the application's folder. */
static varve_status read_file(const struct app *app, const char *name, varve_buf *text, varve_error *error)
{
    varve_buf path = { 0 };
    struct stat about;
    varve_status status = VARVE_OK;
    int file = -1;

    varve_buf_printf(&path, "%s/%s", app->folder, name);
    if (path.failed) {
        status = varve_error_set(error, VARVE_NOMEM, "%s: no memory to read it", name);
        goto done;
    }
    file = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait */
    if (file < 0 || fstat(file, &about) < 0)
        status = system_error(name, error);
    else if (!S_ISREG(about.st_mode))
        status = varve_error_set(error, VARVE_INVALID, "%s: not a file", name);
    else
        status = read_all(file, name, text, error);
done:
    if (file >= 0) close(file);
    varve_buf_fini(&path);
    return status;
}

/* ---- walking ---- */

/* In order of bytes, whatever the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_wanted(const struct dirent *entry)
{
    return !is_leftover(entry->d_name);
}

static void free_entries(struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
}

/* What adds a file of this name; NULL: nothing does. */
static add_file find_add(const struct kind *kind, const char *file)
{
    for (size_t i = 0; i < 2; i++) {
        if (kind->files[i].suffix != NULL && ends_with(file, kind->files[i].suffix)) return kind->files[i].add;
    }
    return NULL;
}

static varve_status refuse_file(const struct kind *kind, const char *name, varve_error *error)
{
    const char *second = kind->files[1].suffix;

    return varve_error_set(error, VARVE_INVALID, "%s: no part of an application: in %s/ stand files NAME%s%s%s", name,
                           kind->folder, kind->files[0].suffix, second == NULL ? "" : " and NAME",
                           second == NULL ? "" : second);
}

static varve_status load_file(struct app *app, const struct kind *kind, const char *file, varve_error *error)
{
    add_file add = find_add(kind, file);
    varve_buf name = { 0 }, text = { 0 };
    varve_status status = VARVE_OK;

    varve_buf_printf(&name, "%s/%s", kind->folder, file);
    if (name.failed)
        status = varve_error_set(error, VARVE_NOMEM, "%s: no memory to read it", file);
    else if (ends_with(file, ".so"))
        status = varve_error_set(error, VARVE_UNSUPPORTED, "%s: compiled modules are not built yet", name.ptr);
    else if (add == NULL && !is_document(file))
        status = refuse_file(kind, name.ptr, error);
    else if (add != NULL)
        status = read_file(app, name.ptr, &text, error);
    if (status >= 0 && add != NULL) {
        status = add(app, name.ptr, varve_buf_view(&text), error);
        app->file_count++;
    }
    varve_buf_fini(&name);
    varve_buf_fini(&text);
    return status;
}

static varve_status load_kind(struct app *app, const struct kind *kind, varve_error *error)
{
    struct dirent **entries = NULL;
    varve_buf path = { 0 };
    varve_status status = VARVE_OK;
    int count = 0;

    varve_buf_printf(&path, "%s/%s", app->folder, kind->folder);
    if (path.failed) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to read it", kind->folder);
    count = scandir(path.ptr, &entries, is_wanted, compare_names);
    if (count < 0 && errno != ENOENT) status = system_error(kind->folder, error);
    for (int i = 0; i < count && status >= 0; i++) status = load_file(app, kind, entries[i]->d_name, error);
    free_entries(entries, count);
    varve_buf_fini(&path);
    return status;
}

/* Everything at the top of the folder is either known, refused by name, or a mistake. */
static varve_status check_entry(const char *name, varve_error *error)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(name, kinds[i].folder) == 0) return VARVE_OK;
    }
    if (strcmp(name, "specs") == 0) return VARVE_OK; /* for `varve test`, which is no part of serving */
    for (const char *const *part = not_built_yet; *part != NULL; part++) {
        if (strcmp(name, *part) == 0) return varve_error_set(error, VARVE_UNSUPPORTED, "%s: not built yet", name);
    }
    if (is_document(name) || ends_with(name, ".sh")) return VARVE_OK;
    return varve_error_set(
        error, VARVE_INVALID,
        "%s: no part of an application, which has aggregates/, projections/, queries/, upcasters/ and schemas/", name);
}

static varve_status check_folder(const struct app *app, varve_error *error)
{
    struct dirent **entries = NULL;
    varve_status status = VARVE_OK;
    int count = scandir(app->folder, &entries, is_wanted, compare_names);

    if (count < 0) return system_error(app->folder, error);
    for (int i = 0; i < count && status >= 0; i++) status = check_entry(entries[i]->d_name, error);
    free_entries(entries, count);
    return status;
}

static varve_candidate candidate_of(const struct app *app, const struct aggregate *aggregate)
{
    return (varve_candidate){
        .decider = lua_decider_table(aggregate->decider),
        .ctx = aggregate->decider,
        .upcasters = app->upcaster_items,
        .upcaster_count = app->upcaster_count,
        .schemas = app->schema_items,
        .schema_count = app->schema_count,
    };
}

/* Without an engine nobody else sees what an engine would refuse of all of it together. */
static varve_status check_together(const struct app *app, varve_error *error)
{
    varve_candidate *candidates = NULL;
    varve_status status;
    size_t count = 0;

    for (const struct aggregate *one = app->aggregates; one != NULL; one = one->next) count++;
    candidates = calloc(count + 1, sizeof *candidates);
    if (candidates == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", app->folder);
    count = 0;
    for (const struct aggregate *one = app->aggregates; one != NULL; one = one->next)
        candidates[count++] = candidate_of(app, one);
    status = varve_candidates_check(candidates, count, error);
    free(candidates);
    return status;
}

/* Loads the first `kind_count` kinds, which errors call `parts`. */
static varve_status open_app(struct app **opened, varve_engine *engine, const char *folder, size_t kind_count,
                             const char *parts, varve_error *error)
{
    struct app *app = calloc(1, sizeof *app);
    varve_status status;

    *opened = app;
    if (app == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", folder);
    app->engine = engine;
    app->folder = folder;
    status = check_folder(app, error);
    for (size_t i = 0; i < kind_count && status >= 0; i++) status = load_kind(app, &kinds[i], error);
    if (status >= 0 && app->file_count == 0)
        status = varve_error_set(error, VARVE_INVALID, "%s: no %s: is it an application folder?", folder, parts);
    if (status >= 0 && engine == NULL) status = check_together(app, error);
    app->folder = NULL;
    return status < 0 ? status : VARVE_OK;
}

varve_status app_open(struct app **opened, varve_engine *engine, const char *folder, varve_error *error)
{
    return open_app(opened, engine, folder, KIND_COUNT, "aggregates, projections or queries", error);
}

varve_status app_open_aggregates(struct app **opened, const char *folder, varve_error *error)
{
    return open_app(opened, NULL, folder, TRIED_KINDS, "aggregates", error);
}

/* Whether it is a decider over a query, and decides this type of command. */
static bool decides(const varve_decider *table, varve_str command)
{
    if (table->reads == NULL) return false;
    for (const varve_command_handler *handler = table->commands; handler->type != NULL; handler++) {
        if (varve_str_is(command, handler->type)) return true;
    }
    return false;
}

static const struct aggregate *find_decider(const struct app *app, varve_str stream, varve_str command)
{
    varve_str category = varve_stream_category(stream);
    const struct aggregate *found = NULL;

    for (const struct aggregate *aggregate = app->aggregates; aggregate != NULL; aggregate = aggregate->next) {
        const varve_decider *table = lua_decider_table(aggregate->decider);

        if (decides(table, command)) return aggregate;
        if (table->category != NULL && varve_str_is(category, table->category)) found = aggregate;
    }
    return found;
}

bool app_find_decider(const struct app *app, varve_str stream, varve_str command, varve_candidate *candidate)
{
    const struct aggregate *aggregate = find_decider(app, stream, command);

    if (aggregate == NULL) return false;
    *candidate = candidate_of(app, aggregate);
    return true;
}

void app_close(struct app *app)
{
    if (app == NULL) return;
    while (app->aggregates != NULL) {
        struct aggregate *aggregate = app->aggregates;
        app->aggregates = aggregate->next;
        lua_decider_close(aggregate->decider);
        free(aggregate);
    }
    while (app->upcasters != NULL) {
        struct upcaster *upcaster = app->upcasters;
        app->upcasters = upcaster->next;
        lua_upcaster_close(upcaster->upcaster);
        free(upcaster);
    }
    while (app->projections != NULL) {
        struct projection *projection = app->projections;
        app->projections = projection->next;
        lua_projection_close(projection->projection);
        free(projection);
    }
    while (app->schemas != NULL) {
        struct schema *schema = app->schemas;
        app->schemas = schema->next;
        free(schema->file);
        free(schema->text);
        free(schema);
    }
    free(app->upcaster_items);
    free(app->schema_items);
    free(app);
}
