/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduled commands: kept in the store until they are due, then executed once by an engine that runs on it.
 *
 *   waiting   ── due ─────────────────────────►  running
 *   waiting   ── varve_scheduled_cancel ──────►  gone
 *   running   ── accepted ────────────────────►  gone: what became of it is in the log
 *   running   ── could not be tried just now ─►  waiting, for longer each time
 *   running   ── its process ended ───────────►  running, again by the next one; failed after the 10th time in a row
 *   running   ── rejected, or failed for good ►  rejected, failed: kept with the reason for 30 days, or until cancelled
 *
 * The command's id is what makes it take effect once, however often a process ends between its outcome and the
 * store's knowing that it is done with. Threads: any. Everything here may block for a disk flush.
 */
#ifndef VARVE_SCHEDULED_H
#define VARVE_SCHEDULED_H

#include <varve/command.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How long what was rejected or failed is kept, in seconds, and how often a command is tried before it has failed: in
 * all, and while its process ends before the attempt, in a row. */
#define VARVE_SCHEDULED_RETENTION_S     2592000u
#define VARVE_SCHEDULED_ATTEMPTS_MAX    100u
#define VARVE_SCHEDULED_INTERRUPTED_MAX 10u

typedef enum varve_scheduled_state {
    VARVE_SCHEDULED_WAITING = 0,
    VARVE_SCHEDULED_RUNNING,  /* or it was, when its process ended: then it is run again */
    VARVE_SCHEDULED_REJECTED, /* by the domain */
    VARVE_SCHEDULED_FAILED,
    VARVE_SCHEDULED_DONE,       /* told by varve_schedule alone, of a command that was executed before */
    VARVE_SCHEDULED_UNREADABLE, /* told by varve_scheduled_cancel alone */
} varve_scheduled_state;

/* "waiting", "running" …; static. */
VARVE_API const char *varve_scheduled_state_word(varve_scheduled_state state);

/* A scheduled command; start from {0}, end with varve_scheduled_fini. */
typedef struct varve_scheduled {
    varve_command command; /* as it was scheduled; a list leaves its data out */
    varve_scheduled_state state;
    varve_time scheduled_at; /* by the store's clock, which says when it is due too */
    varve_time next_at;      /* WAITING: not_before, or later when an attempt came to nothing */
    uint32_t attempts;       /* begun so far */
    uint32_t interrupted;    /* of these the last ones whose process ended before they did */
    varve_str code, message; /* REJECTED: the domain's; FAILED, or after an attempt: the status's word */
    void *memory;            /* holds all of the above; NULL in a list, where it is borrowed for the call */
} varve_scheduled;

VARVE_API void varve_scheduled_fini(varve_scheduled *scheduled);
/* Appends {"id","type","stream","state","not_before","scheduled_at","next_at"?,"attempts","interrupted"?,"code"?,
 * "message"?,"expected_version"?,"correlation_id"?,"causation_id"?,"actor"?,"data"?}. */
VARVE_API void varve_scheduled_write_json(const varve_scheduled *scheduled, varve_buf *out);

/*
 * Keeps a command until its not_before, or executes it soon when that is past; returns when that is durable. VARVE_OK.
 * VARVE_REPEATED: this id is scheduled already for the same, or was executed. VARVE_ID_CONFLICT: with another type,
 * stream, data, time or expected version. VARVE_NOT_FOUND: no decider. VARVE_INVALID: no not_before, or as
 * varve_execute. Otherwise as varve_append; after VARVE_INDETERMINATE repeat it with the same id. A pinned version is
 * looked at when it is executed. `scheduled` may be NULL.
 */
VARVE_API varve_status varve_schedule(varve_engine *engine, const varve_command *command, varve_scheduled *scheduled,
                                      varve_error *error);

/* The same on a store without an engine: nobody asks whether there is a decider, and engines that have the store open
 * look for it within a second. */
VARVE_API varve_status varve_store_schedule(varve_store *store, const varve_command *command,
                                            varve_scheduled *scheduled, varve_error *error);

/* One of them. VARVE_NOT_FOUND: it was never scheduled, was executed or cancelled, or is not kept any more. */
VARVE_API varve_status varve_scheduled_get(varve_store *store, varve_uuid id, varve_scheduled *scheduled,
                                           varve_error *error);

/* Receives one; views are borrowed for the call. A positive return ends the list, a failure is passed on. */
typedef varve_status (*varve_scheduled_visit)(void *ctx, const varve_scheduled *scheduled);

/* Visits them in order of id, after `after` (nil: from the first), `limit` at most (0: all). VARVE_CORRUPT names one
 * that cannot be read, which can be cancelled. */
VARVE_API varve_status varve_scheduled_list(varve_store *store, varve_uuid after, uint64_t limit,
                                            varve_scheduled_visit visit, void *ctx, varve_error *error);

/*
 * Takes one away: it will not be executed, or is not kept any more; `*was` (may be NULL) is the state it had.
 * VARVE_CONFLICT: it is running, and may have taken effect. VARVE_NOT_FOUND as above. One that cannot be read is taken
 * away too, UNREADABLE: the log alone tells whether it took effect.
 */
VARVE_API varve_status varve_scheduled_cancel(varve_store *store, varve_uuid id, varve_scheduled_state *was,
                                              varve_error *error);

/* What that did to one that was so: "cancelled" (WAITING), "discarded" (UNREADABLE), else "dismissed"; static. */
VARVE_API const char *varve_scheduled_cancel_word(varve_scheduled_state was);

#ifdef __cplusplus
}
#endif
#endif
