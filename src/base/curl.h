/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, opened when it is used first and not linked: it brings 21 more shared libraries and over 3 MB of memory,
 * which a process that asks nobody over HTTP does without.
 */
#ifndef VARVE_BASE_CURL_H
#define VARVE_BASE_CURL_H

#include <curl/curl.h>
#include <varve/error.h>

/* What is used of it. */
struct curl_functions {
    CURLcode (*global_init)(long flags);
    void (*global_cleanup)(void);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *handle);
    void (*easy_reset)(CURL *handle);
    CURLcode (*easy_setopt)(CURL *handle, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *handle, CURLINFO info, ...);
    CURLcode (*easy_perform)(CURL *handle);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
};

/*
 * Finds the functions; the library stays open, since what it registers cannot be undone safely. VARVE_UNAVAILABLE says
 * that `who` needs it. Any thread.
 */
varve_status curl_load(struct curl_functions *curl, const char *who, varve_error *error);

#endif
