/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

varve_status lines_open(struct lines *lines, const char *file, varve_error *error)
{
    bool standard = strcmp(file, "-") == 0;
    *lines = (struct lines){ .fd = STDIN_FILENO, .name = standard ? "standard input" : file };
    if (standard) {
        return VARVE_OK;
    }
    lines->fd = open(file, O_RDONLY | O_CLOEXEC);
    if (lines->fd < 0) {
        return varve_error_set(error, errno == ENOENT ? VARVE_NOT_FOUND : VARVE_IO, "cannot read %s: %s", file,
                               strerror(errno));
    }
    lines->close = true;
    return VARVE_OK;
}

void lines_fini(struct lines *lines)
{
    if (lines->close) {
        close(lines->fd);
    }
    varve_buf_fini(&lines->text);
    *lines = (struct lines){ 0 };
}

/* Makes room by moving what was not taken yet to the front. */
static void compact(struct lines *lines)
{
    size_t left = lines->text.len - lines->taken;
    if (left > 0 && lines->taken > 0) {
        memmove(lines->text.ptr, lines->text.ptr + lines->taken, left);
    }
    lines->text.len = left;
    lines->taken = 0;
}

static bool readable_now(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    return poll(&poll_fd, 1, 0) > 0;
}

varve_status lines_fill(struct lines *lines, size_t enough, varve_error *error)
{
    char bytes[65536];
    bool whole = false;
    compact(lines);
    while (!lines->ended && lines->text.len <= enough && (!whole || readable_now(lines->fd))) {
        ssize_t count = read(lines->fd, bytes, sizeof(bytes));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return varve_error_set(error, VARVE_IO, "cannot read %s: %s", lines->name, strerror(errno));
        }
        lines->ended = count == 0;
        /* The last line may lack its end. */
        bool complete = !lines->ended || lines->text.len == 0 || lines->text.ptr[lines->text.len - 1] == '\n';
        varve_buf_add(&lines->text, lines->ended ? "\n" : bytes, lines->ended ? (complete ? 0 : 1) : (size_t)count);
        if (lines->text.failed) {
            return varve_error_set(error, VARVE_NOMEM, "out of memory for %s", lines->name);
        }
        whole = whole || (count > 0 && memchr(bytes, '\n', (size_t)count) != NULL);
    }
    if (lines->text.len == 0) {
        return VARVE_DONE;
    }
    if (memchr(lines->text.ptr, '\n', lines->text.len) == NULL) {
        return varve_error_set(error, VARVE_TOO_LARGE, "%s has a line of more than %zu bytes", lines->name, enough);
    }
    return VARVE_OK;
}

bool lines_take(struct lines *lines, varve_str *line)
{
    while (lines->taken < lines->text.len) {
        const char *start = lines->text.ptr + lines->taken;
        const char *end = memchr(start, '\n', lines->text.len - lines->taken);
        if (end == NULL) {
            return false;
        }
        lines->taken += (size_t)(end - start) + 1;
        for (const char *at = start; at < end; at++) {
            if (*at != ' ' && *at != '\t' && *at != '\r') {
                *line = (varve_str){ start, (size_t)(end - start) };
                return true;
            }
        }
    }
    return false;
}
