/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_WIDTH = 24 };

static const uint64_t second_ns = UINT64_C(1000000000);

void progress_init(struct progress *progress, const char *what, bool quiet)
{
    *progress = (struct progress){ .what = what, .shown = !quiet && isatty(STDERR_FILENO) };
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    uint64_t now = clock_ns();
    if (!progress->shown) {
        return;
    }
    if (progress->start_ns == 0) {
        progress->start_ns = now;
        progress->start_done = done;
        return;
    }
    if (now - progress->drawn_ns < second_ns / 5 || total == 0) {
        return;
    }
    progress->drawn_ns = now;
    done = done > total ? total : done;
    double seconds = (double)(now - progress->start_ns) / (double)second_ns;
    double rate = done > progress->start_done ? (double)(done - progress->start_done) / seconds : 0;
    int filled = (int)((double)done / (double)total * BAR_WIDTH);
    fprintf(stderr, "\r%s [%.*s%*s] %" PRIu64 "/%" PRIu64, progress->what, filled, "########################",
            BAR_WIDTH - filled, "", done, total);
    if (rate > 0) {
        fprintf(stderr, "  %.0f/s  %.0f s left", rate, (double)(total - done) / rate);
    }
    fputs("\033[K", stderr);
}

void progress_fini(struct progress *progress)
{
    if (progress->drawn_ns != 0) {
        fputs("\r\033[K", stderr);
    }
    progress->drawn_ns = 0;
}
