/* SPDX-License-Identifier: Apache-2.0 */
#include "store/conditions.h"

#include "base/assert.h"

bool condition_holds(const varve_condition *condition, uint64_t version)
{
    switch (condition->kind) {
    case VARVE_STREAM_ANY:
        return true;
    case VARVE_STREAM_AT:
        return version == condition->version;
    case VARVE_STREAM_NONE:
        return version == 0;
    case VARVE_STREAM_EXISTS:
        return version > 0;
    case VARVE_FAIL_IF_MATCH:
        break;
    }
    ASSERT(condition->kind != VARVE_FAIL_IF_MATCH);
    return false;
}

void append_note_failed(struct store_append *append, size_t i, uint64_t version, uint64_t position)
{
    append->failed[append->failed_count++] =
        (varve_failed_condition){ .index = i, .current_version = version, .position = position };
}

void append_settle_conditions(struct store_append *append)
{
    if (append->failed_count == 0) return;
    const varve_failed_condition *first = &append->failed[0];
    const varve_condition *condition = &append->conditions[first->index];
    if (condition->kind == VARVE_FAIL_IF_MATCH) {
        append->status =
            varve_error_set(&append->error, VARVE_CONFLICT, "the event at position %llu matches fail_if_match",
                            (unsigned long long)first->position);
        append->error.detail = (int64_t)first->position;
        return;
    }
    append->status =
        varve_error_set(&append->error, VARVE_CONFLICT, "stream %.*s is at version %llu", (int)condition->stream.len,
                        condition->stream.ptr, (unsigned long long)first->current_version);
    append->error.detail = (int64_t)first->current_version;
}

void append_refuse_behind(struct store_append *append)
{
    append->failed_count = append->failed_write = 0;
    append->status =
        varve_error_set(&append->error, VARVE_CONFLICT, "an append that this one was decided on did not come about");
}

void append_refuse_known(struct store_append *append)
{
    append->status =
        varve_error_set(&append->error, VARVE_ID_CONFLICT, "an event that must not be there is in the log");
}

bool write_finds_expected(const struct store_write *write, bool there, uint64_t revision)
{
    switch (write->expect) {
    case STORE_EXPECT_ANY:
        return true;
    case STORE_EXPECT_NONE:
    case STORE_EXPECT_UNUSED:
        return !there;
    case STORE_EXPECT_REVISION:
        break;
    }
    return there && revision == write->expected;
}

void append_refuse_write(struct store_append *append, size_t i)
{
    const struct store_record *record = &append->writes[i].record;
    bool used = append->writes[i].expect == STORE_EXPECT_UNUSED;
    append->failed_write = i + 1;
    append->status = varve_error_set(&append->error, used ? VARVE_ID_CONFLICT : VARVE_CONFLICT,
                                     "the record %.*s of %.*s is not as expected", (int)record->key.len,
                                     record->key.ptr, (int)record->space.len, record->space.ptr);
}
