/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of scheduled commands: a bank with a scheduler. Numbers are those of bank_id. */
#ifndef VARVE_COMMAND_SCHEDULED_FIXTURE_H
#define VARVE_COMMAND_SCHEDULED_FIXTURE_H

#include "command/bank_fixture.h"
#include "command/scheduler.h"

/* On the bank's lanes, or others; `lease_ms` as scheduler_open. */
struct scheduler *scheduled_start(struct bank *bank);
struct scheduler *scheduled_start_on(struct bank *bank, struct lanes *lanes, uint32_t lease_ms);

/* A command on account-1; scheduled_add puts it into the store. */
varve_command scheduled_command(const char *type, const char *data, uint8_t number, varve_time not_before);
void scheduled_add(struct bank *bank, const char *type, const char *data, uint8_t number, varve_time not_before);

/* Until the command is in that state, WAITING after an attempt; DONE: not kept any more. Ends with
 * varve_scheduled_fini. */
void scheduled_wait(struct bank *bank, uint8_t number, varve_scheduled_state state, varve_scheduled *scheduled);
void scheduled_wait_until_gone(struct bank *bank, uint8_t number);

/* Puts a record straight into the store, and that it is due at 1970 and so many microseconds as its number. */
void scheduled_put(struct bank *bank, uint8_t number, const char *value, const char *due_value);
/* The same, of what another process left: a command on account-NUMBER that was begun so often; `code`: what was told of
 * the last attempt. */
void scheduled_put_running(struct bank *bank, uint8_t number, const char *type, unsigned attempts, unsigned interrupted,
                           const char *code);

#endif
