/* SPDX-License-Identifier: Apache-2.0 */
/* A line on standard error for work that takes long: a bar, the rate and the time left. On a terminal only. */
#ifndef VARVE_CLI_PROGRESS_H
#define VARVE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* borrowed */
    bool shown;       /* on a terminal and not --quiet */
    uint64_t start_ns;
    uint64_t start_done; /* what was done before we looked */
    uint64_t drawn_ns;   /* 0: nothing is on the line */
};

void progress_init(struct progress *progress, const char *what, bool quiet);
/* So much of so much is done. Cheap: it draws a few times a second at most. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);
/* Clears the line. */
void progress_fini(struct progress *progress);

#endif
