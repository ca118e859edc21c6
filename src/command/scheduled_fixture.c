/* SPDX-License-Identifier: Apache-2.0 */
#include "command/scheduled_fixture.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct scheduler *scheduled_start_on(struct bank *bank, struct lanes *lanes, uint32_t lease_ms)
{
    struct scheduler *scheduler = NULL;
    varve_error error = { 0 };
    const struct log silent = { 0 };
    assert_int_equal(scheduler_open(&scheduler, bank->store, lanes, lease_ms, &silent, &error), VARVE_OK);
    return scheduler;
}

struct scheduler *scheduled_start(struct bank *bank)
{
    return scheduled_start_on(bank, bank->lanes, 0);
}

varve_command scheduled_command(const char *type, const char *data, uint8_t number, varve_time not_before)
{
    return (varve_command){
        .type = varve_str_of(type),
        .stream = VARVE_STR("account-1"),
        .data = varve_str_of(data),
        .id = bank_id(number),
        .not_before = not_before,
    };
}

void scheduled_add(struct bank *bank, const char *type, const char *data, uint8_t number, varve_time not_before)
{
    varve_error error = { 0 };
    const varve_command command = scheduled_command(type, data, number, not_before);
    if (varve_store_schedule(bank->store, &command, NULL, &error) != VARVE_OK) fail_msg("%s", error.message);
}

void scheduled_wait(struct bank *bank, uint8_t number, varve_scheduled_state state, varve_scheduled *scheduled)
{
    varve_error error = { 0 };
    for (;;) {
        varve_status status = varve_scheduled_get(bank->store, bank_id(number), scheduled, &error);
        if (status == VARVE_NOT_FOUND && state == VARVE_SCHEDULED_DONE) return;
        assert_int_equal(status, VARVE_OK);
        if (scheduled->state == state && (state != VARVE_SCHEDULED_WAITING || scheduled->attempts > 0)) return;
        varve_scheduled_fini(scheduled);
        sched_yield();
    }
}

void scheduled_wait_until_gone(struct bank *bank, uint8_t number)
{
    varve_scheduled scheduled = { 0 };
    scheduled_wait(bank, number, VARVE_SCHEDULED_DONE, &scheduled);
}

void scheduled_put(struct bank *bank, uint8_t number, const char *value, const char *due_value)
{
    size_t failed = 0;
    varve_error error = { 0 };
    char id[VARVE_UUID_TEXT_BYTES], due[64];
    varve_uuid_format(bank_id(number), id);
    int len = snprintf(due, sizeof due, "%020d/%s", number, id);
    struct store_write writes[] = {
        { .record = { .space = VARVE_STR("scheduled due"),
                      .key = { due, (size_t)len },
                      .value = varve_str_of(due_value) } },
        { .record = { .space = VARVE_STR("scheduled"), .key = varve_str_of(id), .value = varve_str_of(value) } },
    };
    assert_int_equal(store_records_write(bank->store, writes, 2, &failed, &error), VARVE_OK);
}

void scheduled_put_running(struct bank *bank, uint8_t number, const char *type, unsigned attempts, unsigned interrupted,
                           const char *code)
{
    char value[512];
    snprintf(value, sizeof value,
             "{\"state\":%d,\"not_before\":%u,\"scheduled_at\":1,\"next_at\":%u,\"attempts\":%u,\"interrupted\":%u,"
             "\"expected\":0,\"expected_version\":0,\"time\":1,\"type\":\"%s\",\"stream\":\"account-%u\","
             "\"code\":\"%s\",\"message\":\"%s\",\"data\":{\"amount\":1}}",
             (int)VARVE_SCHEDULED_RUNNING, number, number, attempts, interrupted, type, number, code, code);
    scheduled_put(bank, number, value, "{}");
}
