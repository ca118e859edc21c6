/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

/* The folder of the program or library that this code is linked into, with a slash at its end. */
static varve_status add_own_folder(varve_buf *path)
{
    Dl_info info = { 0 };
    struct link_map *map = NULL;
    char own[PATH_MAX] = "";
    if (dladdr1((void *)(uintptr_t)module_open, &info, (void **)&map, RTLD_DL_LINKMAP) == 0) return VARVE_NOT_FOUND;
    /* The program itself has no name there, only what it was called with. */
    if (realpath(map->l_name[0] == '\0' ? "/proc/self/exe" : map->l_name, own) == NULL) return VARVE_NOT_FOUND;
    const char *slash = strrchr(own, '/');
    varve_buf_add(path, own, (size_t)(slash - own) + 1);
    return VARVE_OK;
}

/* Where the module would be in the place of this number; VARVE_NOT_FOUND: nowhere; VARVE_DONE after the last place. */
static varve_status place(varve_buf *path, int number, const char *name)
{
    const char *named = secure_getenv("VARVE_MODULES");
    bool is_named = named != NULL && named[0] != '\0';
    varve_status status = VARVE_OK;
    varve_buf_reset(path);
    if (is_named) {
        if (number > 0) return VARVE_DONE;
        varve_buf_printf(path, "%s/%s.so", named, name);
    } else if (number == 0) {
        status = add_own_folder(path);
        varve_buf_printf(path, "lib/varve/%s.so", name);
    } else if (number == 1) {
        varve_buf_printf(path, "%s/%s.so", VARVE_MODULE_FOLDER, name);
    } else {
        return VARVE_DONE;
    }
    return path->failed ? VARVE_NOMEM : status;
}

static varve_status open_at(const char *path, const struct varve_module **module, varve_error *error)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) return varve_error_set(error, VARVE_INCOMPATIBLE, "the module cannot be opened: %s", dlerror());
    const struct varve_module *found = dlsym(handle, "varve_module");
    varve_status status = VARVE_OK;
    if (found == NULL) {
        status = varve_error_set(error, VARVE_INCOMPATIBLE, "%s is no module of varve", path);
    } else if (strcmp(found->version, VARVE_BUILD_VERSION) != 0) {
        status = varve_error_set(error, VARVE_INCOMPATIBLE, "%s belongs to varve %s: install that of %s", path,
                                 found->version, VARVE_BUILD_VERSION);
    } else {
        *module = found;
    }
    dlclose(handle); /* it stays: RTLD_NODELETE */
    return status;
}

varve_status module_open(const char *name, const struct varve_module **module, varve_error *error)
{
    varve_buf path = { 0 };
    varve_status status = VARVE_OK;
    *module = NULL;
    for (int number = 0; status == VARVE_OK && *module == NULL; number++) {
        status = place(&path, number, name);
        if (status == VARVE_OK && access(path.ptr, F_OK) == 0) {
            status = open_at(path.ptr, module, error);
        } else if (status == VARVE_NOT_FOUND) {
            status = VARVE_OK;
        }
    }
    if (status == VARVE_NOMEM) {
        varve_error_set(error, status, "no memory for a path");
    } else if (status == VARVE_DONE) {
        status = varve_error_set(error, VARVE_UNSUPPORTED,
                                 "the module %s.so is not there: install it in %s, or name its folder in VARVE_MODULES",
                                 name, VARVE_MODULE_FOLDER);
    }
    varve_buf_fini(&path);
    return status;
}
