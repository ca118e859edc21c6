/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/app.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/schema.h>

#include "lua/decider.h"
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

struct app {
    varve_engine *engine;
    const char *folder; /* during app_open */
    struct aggregate *aggregates;
    struct upcaster *upcasters;
    size_t file_count;
};

/* Registers one file; `name` is as seen from the folder. */
typedef varve_status (*add_file)(struct app *app, const char *name, varve_str text, varve_error *error);

struct kind {
    const char *folder;
    const char *suffix;
    add_file add;
};

static varve_status add_aggregate(struct app *app, const char *name, varve_str text, varve_error *error)
{
    struct aggregate *aggregate = calloc(1, sizeof *aggregate);
    varve_status status;

    if (aggregate == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    aggregate->next = app->aggregates;
    app->aggregates = aggregate;
    status = lua_decider_open(&aggregate->decider, name, text, error);
    return status < 0 ? status : lua_decider_add(aggregate->decider, app->engine, error);
}

static varve_status add_upcaster(struct app *app, const char *name, varve_str text, varve_error *error)
{
    struct upcaster *upcaster = calloc(1, sizeof *upcaster);
    varve_status status;

    if (upcaster == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", name);
    upcaster->next = app->upcasters;
    app->upcasters = upcaster;
    status = lua_upcaster_open(&upcaster->upcaster, name, text, error);
    return status < 0 ? status : lua_upcaster_add(upcaster->upcaster, app->engine, error);
}

static varve_status add_projection(struct app *app, const char *name, varve_str text, varve_error *error)
{
    return varve_engine_add_projection(app->engine, name, text, error);
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
    return varve_engine_add_schema(app->engine, (varve_str){ type, len }, (uint32_t)version, name, text, error);
}

static varve_status add_query(struct app *app, const char *name, varve_str text, varve_error *error)
{
    return varve_engine_add_query(app->engine, name, text, error);
}

static const struct kind kinds[] = {
    { "aggregates", ".lua", add_aggregate }, { "projections", ".sql", add_projection },
    { "queries", ".sql", add_query },        { "upcasters", ".lua", add_upcaster },
    { "schemas", ".json", add_schema },
};

#define KIND_COUNT (sizeof kinds / sizeof *kinds)

static const char *const not_built_yet[] = { "sagas",       "reactions",        "specs", "maps",
                                             "relays.yaml", "expectations.lua", NULL };

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

static varve_status load_file(struct app *app, const struct kind *kind, const char *file, varve_error *error)
{
    varve_buf name = { 0 }, text = { 0 };
    varve_status status = VARVE_OK;

    varve_buf_printf(&name, "%s/%s", kind->folder, file);
    if (name.failed)
        status = varve_error_set(error, VARVE_NOMEM, "%s: no memory to read it", file);
    else if (ends_with(file, ".so"))
        status = varve_error_set(error, VARVE_UNSUPPORTED, "%s: compiled modules are not built yet", name.ptr);
    else if (!ends_with(file, kind->suffix) && !is_document(file))
        status = varve_error_set(error, VARVE_INVALID, "%s: no part of an application: in %s/ stand files NAME%s",
                                 name.ptr, kind->folder, kind->suffix);
    else if (ends_with(file, kind->suffix))
        status = read_file(app, name.ptr, &text, error);
    if (status >= 0 && ends_with(file, kind->suffix)) {
        status = kind->add(app, name.ptr, varve_buf_view(&text), error);
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

varve_status app_open(struct app **opened, varve_engine *engine, const char *folder, varve_error *error)
{
    struct app *app = calloc(1, sizeof *app);
    varve_status status;

    *opened = app;
    if (app == NULL) return varve_error_set(error, VARVE_NOMEM, "%s: no memory to load it", folder);
    app->engine = engine;
    app->folder = folder;
    status = check_folder(app, error);
    for (size_t i = 0; i < KIND_COUNT && status >= 0; i++) status = load_kind(app, &kinds[i], error);
    if (status >= 0 && app->file_count == 0)
        status = varve_error_set(error, VARVE_INVALID,
                                 "%s: no aggregates, projections or queries: is it an application folder?", folder);
    app->folder = NULL;
    return status < 0 ? status : VARVE_OK;
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
    free(app);
}
