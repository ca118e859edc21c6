/* SPDX-License-Identifier: Apache-2.0 */
#include <varve/error.h>

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *varve_status_word(varve_status status)
{
    switch (status) {
#define WORD(name, value, word, meaning) \
    case name:                           \
        return word;
        VARVE_STATUS_TABLE(WORD)
#undef WORD
    }
    return "unknown-status";
}

const char *varve_status_meaning(varve_status status)
{
    switch (status) {
#define MEANING(name, value, word, meaning) \
    case name:                              \
        return meaning;
        VARVE_STATUS_TABLE(MEANING)
#undef MEANING
    }
    return "a status that this version does not know";
}

/* VARVE_ERROR_FATAL depends on the handle, not on the status: who fails for good sets it afterwards. */
static unsigned flags_of(varve_status status)
{
    switch (status) {
    case VARVE_BUSY:
    case VARVE_UNAVAILABLE:
    case VARVE_TIMEOUT:
    case VARVE_ENRICH_FAILED:
    case VARVE_LOCKED:
    case VARVE_FULL:
    case VARVE_NOMEM:
        return VARVE_ERROR_RETRIABLE;
    case VARVE_INDETERMINATE:
        return VARVE_ERROR_RETRIABLE | VARVE_ERROR_UNKNOWN_OUTCOME;
    default:
        return 0;
    }
}

/*
 * Messages quote input, and are printed as one line and sent as JSON: control characters become
 * spaces, bytes that are not UTF-8 become '?', a character cut in two at the end goes.
 */
static void make_printable(char *message, bool cut)
{
    char *end = message + strlen(message);

    for (char *at = message; at < end;) {
        size_t len = utf8_sequence(at, end);

        if (len == 0 && cut && end - at < 4) {
            *at = '\0';
            return;
        }
        if (len == 0)
            *at = '?';
        else if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
        at += len == 0 ? 1 : len;
    }
}

varve_status varve_error_setv(varve_error *error, varve_status status, const char *format, va_list args)
{
    char message[sizeof(error->message)]; /* apart, because an argument may be the message that is replaced */
    int len;

    if (error == NULL) return status;
    len = vsnprintf(message, sizeof(message), format, args);
    if (len < 0) message[0] = '\0';
    make_printable(message, len >= (int)sizeof(message));
    error->status = status;
    error->flags = flags_of(status);
    error->detail = 0;
    memcpy(error->message, message, strlen(message) + 1);
    return status;
}

varve_status varve_error_set(varve_error *error, varve_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    varve_error_setv(error, status, format, args);
    va_end(args);
    return status;
}
