/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdio.h>

void log_line(const struct log *log, varve_log_level level, const char *format, ...)
{
    char line[1024];
    va_list args;

    if (log == NULL || log->write == NULL) return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    log->write(log->ctx, level, line);
}
