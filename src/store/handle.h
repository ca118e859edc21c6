/* SPDX-License-Identifier: Apache-2.0 */
/* What a varve_store is made of. Private to the store. */
#ifndef VARVE_STORE_HANDLE_H
#define VARVE_STORE_HANDLE_H

#include "store/access.h"
#include "store/share.h"
#include "store/watch.h"

struct writer;

struct varve_store {
    const struct store_driver *driver;
    struct store_log *log;
    char *path;
    bool read_only;
    uint32_t idempotency_retention_s;
    store_event_check check; /* NULL: none */
    void *check_ctx;
    struct watch watch;    /* the head, and who waits for it to move */
    struct share share;    /* reads of the log that several cursors need */
    struct writer *writer; /* NULL when read_only */
};

#endif
