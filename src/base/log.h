/* SPDX-License-Identifier: Apache-2.0 */
/* Where a module's diagnostic lines go; passed in, never global. */
#ifndef VARVE_BASE_LOG_H
#define VARVE_BASE_LOG_H

#include <varve/error.h>

struct log {
    varve_log_function write; /* NULL: silent */
    void *ctx;
};

void log_line(const struct log *log, varve_log_level level, const char *format, ...) VARVE_PRINTF(3, 4);

#endif
