/* SPDX-License-Identifier: Apache-2.0 */
#include "command/failure.h"

#define SHOWN_BYTES_MAX 64u

/* How much of a name is shown: all of it, or as many whole characters as fit. */
static int shown_len(varve_str name)
{
    if (name.len <= SHOWN_BYTES_MAX) return (int)name.len;
    size_t len = SHOWN_BYTES_MAX;
    while (len > 0 && ((unsigned char)name.ptr[len] & 0xC0) == 0x80) len--;
    return (int)len;
}

varve_status failure_explain(varve_error *error, varve_status status, varve_str what, varve_str stream)
{
    varve_error cause = *error;
    const char *message = cause.message[0] != '\0' ? cause.message : varve_status_meaning(status);
    return varve_error_set(error, status, "%.*s on %.*s: %s", shown_len(what), what.ptr, shown_len(stream), stream.ptr,
                           message);
}
