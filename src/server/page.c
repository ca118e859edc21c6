/* SPDX-License-Identifier: Apache-2.0 */
#include "server/page.h"

#define PAGE_BYTES (4u << 20) /* a page that is longer takes no further event */

varve_status page_limit(const struct target *target, uint64_t *limit, varve_error *error)
{
    *limit = PAGE_EVENTS;
    varve_status status = target_number(target, "limit", limit, error);
    if (status < 0) return status;
    if (*limit >= 1 && *limit <= PAGE_EVENTS_MAX) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "'limit' is a number from 1 to %u", PAGE_EVENTS_MAX);
}

varve_status page_clock(const struct target *target, bool timed, varve_clock *clock, varve_error *error)
{
    const varve_query_param *param = target_param(target, "clock");
    if (param == NULL) return VARVE_OK;
    if (!timed) return varve_error_set(error, VARVE_INVALID, "'clock' says which time is meant: give the time too");
    *clock = varve_str_is(param->value, "occurred") ? VARVE_CLOCK_OCCURRED : VARVE_CLOCK_RECORDED;
    if (*clock == VARVE_CLOCK_OCCURRED || varve_str_is(param->value, "recorded")) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "'clock' is recorded or occurred");
}

varve_status page_time(const struct target *target, varve_time *time, varve_clock *clock, varve_error *error)
{
    varve_status status = target_time(target, "at", time, error);
    return status < 0 ? status : page_clock(target, target_param(target, "at") != NULL, clock, error);
}

varve_status page_write(varve_cursor *cursor, struct shaped *shaped, uint64_t limit, struct page *page, varve_buf *out,
                        varve_error *error)
{
    const varve_event *event = NULL, *events = NULL;
    varve_status status = VARVE_OK;
    uint64_t taken = 0;
    size_t written = 0, count = 0;
    varve_buf_str(out, VARVE_STR("["));
    while ((status = varve_cursor_next(cursor, &event, error)) == VARVE_OK) {
        if (taken == limit || out->len > PAGE_BYTES) {
            page->more = true;
            page->following_version = event->version;
            break;
        }
        status = shaped_event(shaped, event, &events, &count, error);
        if (status < 0) break;
        for (size_t i = 0; i < count; i++) {
            if (written++ > 0) varve_buf_str(out, VARVE_STR(","));
            varve_event_write_json(&events[i], out);
        }
        taken++;
        page->last_position = event->position;
    }
    varve_buf_str(out, VARVE_STR("]"));
    return status < 0 ? status : VARVE_OK;
}
