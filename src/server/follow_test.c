/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/follow.h"

static void expect(uint64_t position, const char *data, const char *text)
{
    varve_buf out = { 0 };
    follow_write_event(&out, position, "event", varve_str_of(data));
    assert_string_equal(out.ptr, text);
    varve_buf_fini(&out);
}

static void an_event_has_id_name_and_data(void **state)
{
    (void)state;
    expect(7, "{\"a\":1}", "id: 7\nevent: event\ndata: {\"a\":1}\n\n");
    expect(0, "x", "event: event\ndata: x\n\n");
    expect(0, "", "event: event\ndata: \n\n");
}

static void line_breaks_in_data_do_not_end_the_event(void **state)
{
    (void)state;
    expect(0, "a\nb", "event: event\ndata: a\ndata: b\n\n");
    expect(0, "a\r\nb\rc\n\nd", "event: event\ndata: a\ndata: b\ndata: c\ndata: \ndata: d\n\n");
    expect(0, "a\n", "event: event\ndata: a\ndata: \n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_has_id_name_and_data),
        cmocka_unit_test(line_breaks_in_data_do_not_end_the_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
