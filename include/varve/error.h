/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statuses and errors.
 *
 * Every call that can fail returns a varve_status: negative is a failure, zero is success, positive
 * is an outcome that is not a failure. `if (f(…, &error) < 0) goto done;` is the whole idiom. The
 * varve_error belongs to the caller, is never allocated and may be NULL.
 */
#ifndef VARVE_ERROR_H
#define VARVE_ERROR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VARVE_API               __attribute__((visibility("default")))
#define VARVE_PRINTF(at, first) __attribute__((__format__(__printf__, at, first)))
#else
#define VARVE_API
#define VARVE_PRINTF(at, first)
#endif

/* X(name, value, word, meaning). The word is stable: it is the last part of the HTTP problem type. */
#define VARVE_STATUS_TABLE(X)                                                                                   \
    X(VARVE_OK, 0, "ok", "success")                                                                             \
    X(VARVE_DONE, 1, "done", "there is nothing more")                                                           \
    X(VARVE_CAUGHT_UP, 2, "caught-up", "the backlog is through, what follows is live")                          \
    X(VARVE_IDLE, 3, "idle", "nothing new came within the waiting time")                                        \
    X(VARVE_REJECTED, 4, "command-rejected", "the domain rejected the command")                                 \
    X(VARVE_REPEATED, 5, "repeated", "this was done before; the first result is returned")                      \
    X(VARVE_SKIPPED, 6, "skipped", "much was passed over by the filters and more is left to look at")           \
    X(VARVE_INVALID, -1, "invalid", "the input is wrong")                                                       \
    X(VARVE_NOT_FOUND, -2, "not-found", "there is no such thing")                                               \
    X(VARVE_CONFLICT, -3, "version-conflict", "a condition does not hold")                                      \
    X(VARVE_ID_CONFLICT, -4, "id-conflict", "an event id is already in use for something else")                 \
    X(VARVE_TOO_LARGE, -5, "too-large", "a limit on size is exceeded")                                          \
    X(VARVE_UNSUPPORTED, -6, "unsupported", "designed, but not built yet")                                      \
    X(VARVE_BUSY, -7, "busy", "a queue is full; try again")                                                     \
    X(VARVE_UNAVAILABLE, -8, "unavailable", "the service is stopping or cannot be reached")                     \
    X(VARVE_TIMEOUT, -9, "timeout", "it did not happen within the time limit")                                  \
    X(VARVE_INDETERMINATE, -10, "outcome-unknown", "it may have happened; repeat with the same ids")            \
    X(VARVE_LOCKED, -11, "locked", "another process holds it")                                                  \
    X(VARVE_DENIED, -12, "denied", "not allowed")                                                               \
    X(VARVE_FULL, -13, "disk-full", "the disk is full; nothing was written")                                    \
    X(VARVE_IO, -14, "io-error", "the operating system reported an input or output error")                      \
    X(VARVE_CORRUPT, -15, "corrupt", "stored data fails its integrity check")                                   \
    X(VARVE_NOMEM, -16, "out-of-memory", "memory could not be allocated")                                       \
    X(VARVE_APPLICATION, -17, "application-error", "the application's own code or SQL failed")                  \
    X(VARVE_INCOMPATIBLE, -18, "incompatible", "not a varve store, or one of another format version")           \
    X(VARVE_REWOUND, -19, "history-changed", "the checkpoint belongs to another incarnation of the log")        \
    X(VARVE_KEY_CONFLICT, -20, "idempotency-key-reused", "the idempotency key was used for another request")    \
    X(VARVE_ENRICH_FAILED, -21, "enrichment-failed", "what the decision needs could not be fetched; try again") \
    X(VARVE_SCHEMA_MISMATCH, -22, "schema-mismatch", "an event's data does not fit the schema for its type")    \
    X(VARVE_PROJECTION_REFUSED, -23, "projection-refused", "an inline projection cannot take the events")

typedef enum varve_status {
#define VARVE_STATUS_ENUM(name, value, word, meaning) name = value,
    VARVE_STATUS_TABLE(VARVE_STATUS_ENUM)
#undef VARVE_STATUS_ENUM
} varve_status;

/* Bits of varve_error.flags. */
enum {
    VARVE_ERROR_RETRIABLE = 1 << 0,       /* the same call may succeed later */
    VARVE_ERROR_FATAL = 1 << 1,           /* this handle accepts no further work of the kind */
    VARVE_ERROR_UNKNOWN_OUTCOME = 1 << 2, /* it may have happened: repeat with the same ids to learn */
};

typedef struct varve_error {
    varve_status status;
    unsigned flags;    /* VARVE_ERROR_… */
    int64_t detail;    /* a number that goes with the status: the current version, a process id, a line; else 0 */
    char message[256]; /* what, where and what to do; one line, no full stop */
} varve_error;

/* The stable word of a status, such as "version-conflict". Never NULL; static. Any thread. */
VARVE_API const char *varve_status_word(varve_status status);

/* One sentence that says what a status means. Never NULL; static. Any thread. */
VARVE_API const char *varve_status_meaning(varve_status status);

/*
 * Fills `error` (which may be NULL) and returns `status`, so that a failing function can end with
 * `return varve_error_set(error, VARVE_INVALID, "…")`. Flags follow from the status. The message is
 * cut at a character boundary when it is too long. Any thread.
 */
VARVE_API varve_status varve_error_set(varve_error *error, varve_status status, const char *format, ...)
    VARVE_PRINTF(3, 4);
VARVE_API varve_status varve_error_setv(varve_error *error, varve_status status, const char *format, va_list args);

/* Severity of a diagnostic line. */
typedef enum varve_log_level { VARVE_LOG_DEBUG, VARVE_LOG_INFO, VARVE_LOG_WARNING, VARVE_LOG_ERROR } varve_log_level;

/*
 * Receives the library's diagnostic lines (the library itself never prints). `line` is borrowed for
 * the call. Runs on any of the library's threads, several at once; it must not call the library.
 */
typedef void (*varve_log_function)(void *ctx, varve_log_level level, const char *line);

#ifdef __cplusplus
}
#endif
#endif
