/* SPDX-License-Identifier: Apache-2.0 */
/* Input line by line, as it comes: from a file, a pipe or somebody typing. */
#ifndef VARVE_CLI_LINES_H
#define VARVE_CLI_LINES_H

#include <varve/event.h>

/* Starts from {0}; ends with lines_fini. */
struct lines {
    int fd;
    bool close;       /* the descriptor is ours */
    const char *name; /* for messages */
    varve_buf text;
    size_t taken; /* bytes of `text` handed out */
    bool ended;
};

/* Opens a file, or standard input for "-". VARVE_NOT_FOUND, VARVE_IO. */
varve_status lines_open(struct lines *lines, const char *file, varve_error *error);
void lines_fini(struct lines *lines);

/*
 * Waits until there is a whole line, then reads on while more is there at once, up to about
 * `enough` bytes. VARVE_DONE: the input is over. VARVE_TOO_LARGE: a line has more than `enough` bytes.
 * Invalidates lines taken before.
 */
varve_status lines_fill(struct lines *lines, size_t enough, varve_error *error);

/* The next whole line that is neither empty nor blank, without its end; false when there is none: fill again. */
bool lines_take(struct lines *lines, varve_str *line);

#endif
