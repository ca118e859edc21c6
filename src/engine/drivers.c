/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/drivers.h"

#include "engine/module.h"

/* Whose URIs belong to which drivers; those of a module are known once it is opened. */
static const struct scheme {
    const char *name;
    struct driver driver;
    const char *module; /* NULL: built in */
} schemes[] = {
    { "sqlite", { &store_sqlite, &sql_sqlite }, NULL },
    { "postgresql", { NULL, NULL }, "postgres" },
    { "postgres", { NULL, NULL }, "postgres" },
};

varve_status driver_find(const char *uri, struct driver *driver, const char **rest, varve_error *error)
{
    if (uri == NULL || uri[0] == '\0') {
        varve_error_set(error, VARVE_INVALID, "no store is named: give sqlite:PATH or postgresql://HOST/DATABASE");
        return VARVE_INVALID;
    }
    size_t len = strcspn(uri, ":");
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        const struct scheme *scheme = &schemes[i];
        if (uri[len] != ':' || strlen(scheme->name) != len || memcmp(scheme->name, uri, len) != 0) continue;
        *driver = scheme->driver;
        *rest = uri + len + 1;
        if (scheme->module == NULL) return VARVE_OK;
        const struct varve_module *module = NULL;
        varve_status status = module_open(scheme->module, &module, error);
        if (status < 0) return status;
        *driver = (struct driver){ module->store, module->sql };
        *rest = uri; /* the database's own library reads it */
        return VARVE_OK;
    }
    /* A URI may hold a password, so no message repeats more than its scheme. */
    varve_error_set(error, VARVE_INVALID,
                    "a store is named by a URI such as sqlite:PATH, and \"%.*s\" is no known kind",
                    len > 40 ? 40 : (int)len, uri);
    return VARVE_INVALID;
}

/* The driver of a store; what a module does not bring is refused. */
static varve_status find_store(const char *uri, const struct store_driver **store, const char **rest,
                               varve_error *error)
{
    struct driver driver = { 0 };
    varve_status status = driver_find(uri, &driver, rest, error);
    if (status < 0) return status;
    *store = driver.store;
    if (*store != NULL) return VARVE_OK;
    return varve_error_set(error, VARVE_UNSUPPORTED, "stores on PostgreSQL are not built yet: use sqlite:PATH");
}

varve_status varve_store_open(varve_store **store, const varve_store_options *options, varve_error *error)
{
    const struct store_driver *driver = NULL;
    const char *path = NULL;
    if (options->size != 0 && options->size != sizeof *options)
        return varve_error_set(error, VARVE_INVALID, "varve_store_options is of another version of the library");
    varve_status status = find_store(options->uri, &driver, &path, error);
    if (status < 0) return status;
    return store_open(store, driver, path, options, error);
}

varve_status varve_store_restore(const char *uri, const char *backup, const varve_progress_options *options,
                                 varve_error *error)
{
    const struct store_driver *driver = NULL;
    const char *path = NULL;
    varve_status status = find_store(uri, &driver, &path, error);
    return status < 0 ? status : store_restore(driver, path, backup, options, error);
}

varve_status varve_store_import(const char *uri, FILE *in, const varve_progress_options *options, uint64_t *events,
                                varve_error *error)
{
    const struct store_driver *driver = NULL;
    const char *path = NULL;
    varve_status status = find_store(uri, &driver, &path, error);
    return status < 0 ? status : store_import(driver, path, in, options, events, error);
}

varve_status varve_store_new_incarnation(const char *uri, varve_error *error)
{
    const struct store_driver *driver = NULL;
    const char *path = NULL;
    varve_status status = find_store(uri, &driver, &path, error);
    return status < 0 ? status : store_new_incarnation(driver, path, error);
}
