/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/child.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

varve_status child_start(char *const arguments[], int piped, pid_t *pid, FILE **output, varve_error *error)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0) return varve_error_set(error, VARVE_IO, "no pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], piped);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    int failed = posix_spawnp(pid, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *output = failed == 0 ? fdopen(ends[0], "r") : NULL;
    if (*output != NULL) return VARVE_OK;
    close(ends[0]);
    return varve_error_set(error, VARVE_NOT_FOUND, "%s cannot be run: %s", arguments[0], strerror(failed));
}

int child_wait(pid_t pid)
{
    int ended = 0;
    while (waitpid(pid, &ended, 0) < 0 && errno == EINTR) {
    }
    return ended;
}
