/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of processes_test.c: an engine in a process of its own, which does what the lines on its standard
 * input say and answers each with a line on standard output; "ready" is the first.
 *
 *   add N                    executes N commands; the last position
 *   ask POSITION             the tally's rows, once it has reached the position
 *   state PROJECTION         STATE POSITION OWNER
 *   rebuild PROJECTION       a varve_status
 *   read CONSUMER LEASE_MS   STATUS COUNT LAST_POSITION of a batch of the subscription
 *   ack CONSUMER POSITION    a varve_status, for all up to there
 */
#ifndef VARVE_TESTS_PROCESSES_ENGINE_H
#define VARVE_TESTS_PROCESSES_ENGINE_H

#include <stdint.h>

/* Runs until the input ends; the exit code. */
int run_engine(const char *store, uint32_t lease_ms);

#endif
