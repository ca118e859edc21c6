/* SPDX-License-Identifier: Apache-2.0 */
/* A program that runs beside the bench. */
#ifndef VARVE_BENCH_CHILD_H
#define VARVE_BENCH_CHILD_H

#include <stdio.h>
#include <sys/types.h>
#include <varve/error.h>

/*
 * Starts arguments[0], found by PATH, with its descriptor `piped` (standard output or error) in a pipe that `*output`
 * reads; the caller closes it and then calls child_wait. VARVE_NOT_FOUND when it cannot be run.
 */
varve_status child_start(char *const arguments[], int piped, pid_t *pid, FILE **output, varve_error *error);

/* Waits for its end and returns what waitpid says of it. */
int child_wait(pid_t pid);

#endif
