/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: a store with deciders, projections and queries registered on it, and the workers that
 * run them. Open, add, start, use, close.
 */
#ifndef VARVE_ENGINE_H
#define VARVE_ENGINE_H

#include <varve/command.h>
#include <varve/query.h>
#include <varve/read.h>
#include <varve/upkeep.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct varve_engine_options {
    size_t size;       /* sizeof(varve_engine_options), or 0 for this version's */
    const char *store; /* "sqlite:PATH" */
    bool read_only;    /* look beside the process that serves: no commands, read models as that process leaves them */
    bool must_exist;   /* refuse to create the store */
    varve_durability durability;
    uint32_t command_workers; /* 0 means 2; one more only looks at aggregates */
    uint32_t command_queue;   /* commands and looks waiting at most; 0 means 8192 */
    size_t state_bytes;       /* of aggregates' states that are kept for their next command, about; 0 means 32 MiB */
    uint32_t lease_ms;        /* on a store that several processes share: how long a projection, or executing what
                                 is scheduled, stays with one that is not heard of; 0 means 10000 */
    uint32_t rebuilds;        /* of read models that run at once, the others wait for their turn; 0 means 2 */
    /* How long what became of a command without an event, such as a rejection, is kept under an id that its caller
     * gave, in seconds; 0 means 86400, a day. With events it is in the log for good. */
    uint32_t outcome_retention_s;
    uint32_t enrich_workers;      /* threads that fetch what decisions need, when a decider enriches; 0 means 8 */
    bool passing;                 /* comes and goes beside those that serve, as a command line does: it leaves to
                                     them what is scheduled (scheduled.h), and which types have schemas for SQL */
    bool allow_private_addresses; /* HTTP of enrich may go to private, loopback and link-local addresses */
    varve_log_function log;       /* NULL: silent */
    void *log_ctx;
} varve_engine_options;

/* Opens the store and makes an engine on it; nothing runs yet. Errors as varve_store_open. */
VARVE_API varve_status varve_engine_open(varve_engine **engine, const varve_engine_options *options,
                                         varve_error *error);

/*
 * Checks what was registered against the database and starts the workers. VARVE_INVALID names file
 * and line of what is wrong. After a failure the engine can only be closed.
 */
VARVE_API varve_status varve_engine_start(varve_engine *engine, varve_error *error);

/*
 * For whoever answers what is under way before it closes the engine, and does not want to wait for what `enrich` asks:
 * commands that wait for their enrichment, and those behind them on their streams, are VARVE_UNAVAILABLE, and so are
 * new ones that need one; what is being asked ends soon, as if it had failed. After varve_engine_start. Any thread.
 */
VARVE_API void varve_engine_stop_enriching(varve_engine *engine);

/* Finishes commands under way, stops projections at a committed checkpoint, closes the store. NULL is allowed. */
VARVE_API void varve_engine_close(varve_engine *engine);

/* The engine's store, borrowed: do not close it. */
VARVE_API varve_store *varve_engine_store(varve_engine *engine);

/* Numbers for monitoring; since the engine was opened. */
typedef struct varve_engine_stats {
    uint64_t appends_accepted;
    uint64_t appends_refused;
    uint64_t events_appended;
    uint64_t commits; /* flushes; events_appended / commits is the mean batch */
    uint64_t append_queue;
    uint64_t commands_accepted;
    uint64_t commands_rejected;
    uint64_t commands_failed;
    uint64_t command_retries; /* decided again after a conflict */
    uint64_t command_queue;
    uint64_t enrichments;
    uint64_t enrichments_failed;
    uint64_t enrichment_ms;      /* that all of them took together */
    uint64_t enrichment_queue;   /* commands that wait for theirs, those under way included */
    uint64_t scheduled_executed; /* scheduled commands that were accepted, by this engine … */
    uint64_t scheduled_rejected;
    uint64_t scheduled_failed; /* … or failed for good */
    uint64_t scheduled_retries;
    uint64_t scheduled_running;
    bool writable; /* false when the store is open for reading only, or stopped writing after an I/O error */
} varve_engine_stats;

VARVE_API void varve_engine_get_stats(varve_engine *engine, varve_engine_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
