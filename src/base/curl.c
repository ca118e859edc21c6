/* SPDX-License-Identifier: Apache-2.0 */
#include "base/curl.h"

#include <dlfcn.h>
#include <string.h>

varve_status curl_load(struct curl_functions *curl, const char *who, varve_error *error)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return varve_error_set(error, VARVE_UNAVAILABLE, "%s needs libcurl, which is not installed (Debian: libcurl4)",
                               who);
    const struct {
        const char *name;
        void *function;
    } wanted[] = {
        { "curl_global_init", &curl->global_init },       { "curl_global_cleanup", &curl->global_cleanup },
        { "curl_easy_init", &curl->easy_init },           { "curl_easy_cleanup", &curl->easy_cleanup },
        { "curl_easy_reset", &curl->easy_reset },         { "curl_easy_setopt", &curl->easy_setopt },
        { "curl_easy_getinfo", &curl->easy_getinfo },     { "curl_easy_perform", &curl->easy_perform },
        { "curl_easy_strerror", &curl->easy_strerror },   { "curl_slist_append", &curl->slist_append },
        { "curl_slist_free_all", &curl->slist_free_all },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        void *symbol = dlsym(library, wanted[i].name);
        if (symbol == NULL)
            return varve_error_set(error, VARVE_UNAVAILABLE, "the installed libcurl has no %s", wanted[i].name);
        memcpy(wanted[i].function, &symbol, sizeof symbol);
    }
    return VARVE_OK;
}
