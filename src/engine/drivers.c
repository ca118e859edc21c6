/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/drivers.h"

static const struct driver drivers[] = {
    { &store_sqlite, &sql_sqlite },
};

varve_status driver_find(const char *uri, const struct driver **driver, const char **rest, varve_error *error)
{
    if (uri == NULL || uri[0] == '\0') {
        varve_error_set(error, VARVE_INVALID, "no store is named: give sqlite:PATH");
        return VARVE_INVALID;
    }
    size_t len = strcspn(uri, ":");
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        const char *scheme = drivers[i].store->scheme;
        if (uri[len] != ':' || strlen(scheme) != len || memcmp(scheme, uri, len) != 0) continue;
        *driver = &drivers[i];
        *rest = uri + len + 1;
        return VARVE_OK;
    }
    /* A URI may hold a password, so no message repeats more than its scheme. */
    varve_str scheme = { uri, len };
    if (varve_str_is(scheme, "postgresql") || varve_str_is(scheme, "postgres")) {
        varve_error_set(error, VARVE_UNSUPPORTED, "stores on PostgreSQL are not built yet: use sqlite:PATH");
        return VARVE_UNSUPPORTED;
    }
    varve_error_set(error, VARVE_INVALID,
                    "a store is named by a URI such as sqlite:PATH, and \"%.*s\" is no known kind",
                    len > 40 ? 40 : (int)len, uri);
    return VARVE_INVALID;
}

varve_status varve_store_open(varve_store **store, const varve_store_options *options, varve_error *error)
{
    const struct driver *driver = NULL;
    const char *path = NULL;
    if (options->size != 0 && options->size != sizeof *options)
        return varve_error_set(error, VARVE_INVALID, "varve_store_options is of another version of the library");
    varve_status status = driver_find(options->uri, &driver, &path, error);
    if (status < 0) return status;
    return store_open(store, driver->store, path, options, error);
}

varve_status varve_store_restore(const char *uri, const char *backup, const varve_progress_options *options,
                                 varve_error *error)
{
    const struct driver *driver = NULL;
    const char *path = NULL;
    varve_status status = driver_find(uri, &driver, &path, error);
    return status < 0 ? status : store_restore(driver->store, path, backup, options, error);
}

varve_status varve_store_import(const char *uri, FILE *in, const varve_progress_options *options, uint64_t *events,
                                varve_error *error)
{
    const struct driver *driver = NULL;
    const char *path = NULL;
    varve_status status = driver_find(uri, &driver, &path, error);
    return status < 0 ? status : store_import(driver->store, path, in, options, events, error);
}

varve_status varve_store_new_incarnation(const char *uri, varve_error *error)
{
    const struct driver *driver = NULL;
    const char *path = NULL;
    varve_status status = driver_find(uri, &driver, &path, error);
    return status < 0 ? status : store_new_incarnation(driver->store, path, error);
}
