/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts that are run in the sandbox, each in a fresh interpreter, and what is expected of them. */
#ifndef VARVE_LUA_SCRIPT_FIXTURE_H
#define VARVE_LUA_SCRIPT_FIXTURE_H

#include <varve/event.h>

/* Fails the test unless the script returns a value that is `wanted` as text. */
void script_returns(const char *source, const char *wanted);

/* Fails the test unless the script ends in an error whose message says `wanted`. */
void script_fails(const char *source, const char *wanted);

/* The same with another limit of processor time, in milliseconds. */
void script_fails_within(uint32_t time_ms, const char *source, const char *wanted);

#endif
