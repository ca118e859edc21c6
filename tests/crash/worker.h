/* SPDX-License-Identifier: Apache-2.0 */
/* The process that is killed: it appends, a projection follows, and it tells what it was promised. */
#ifndef VARVE_TESTS_CRASH_WORKER_H
#define VARVE_TESTS_CRASH_WORKER_H

#include <varve.h>

enum { STREAMS = 50 };

/* One acknowledged event, as the worker writes it to its standard output. */
struct acknowledged {
    varve_uuid id;
    uint64_t position;
};

/*
 * Opens an engine on the store at `path` with a projection in SQL, one in Lua, and the query `tally` on both; NULL
 * after a message.
 */
varve_engine *open_engine(const char *path);

/* Appends until it is killed. Returns only after a failure. */
int work(const char *path, unsigned seed);

#endif
