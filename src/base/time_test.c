/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include <varve/event.h>

static const varve_time time_min = -62135596800000000, time_max = 253402300799999999;

static varve_time parsed(const char *text)
{
    varve_time time;
    varve_error error = { 0 };

    if (varve_time_parse(&time, varve_str_of(text), &error) != VARVE_OK) fail_msg("%s", error.message);
    return time;
}

static void test_parse(void **state)
{
    (void)state;
    assert_int_equal(parsed("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(parsed("1970-01-01T00:00:00.000001Z"), 1);
    assert_int_equal(parsed("1969-12-31T23:59:59.999999Z"), -1);
    assert_int_equal(parsed("2000-02-29T12:34:56Z"), 951827696000000);
    assert_int_equal(parsed("2026-01-02T03:04:05.678901Z"), 1767323045678901);
    assert_int_equal(parsed("2026-01-02t03:04:05z"), 1767323045000000);
    assert_int_equal(parsed("2026-01-02T03:04:05.6Z"), 1767323045600000);
    assert_int_equal(parsed("2026-01-02T03:04:05.6789019999999999Z"), 1767323045678901);
    assert_int_equal(parsed("0001-01-01T00:00:00Z"), time_min);
    assert_int_equal(parsed("9999-12-31T23:59:59.999999Z"), time_max);
}

static void test_offsets(void **state)
{
    varve_time utc = parsed("2026-01-02T03:04:05Z");

    (void)state;
    assert_int_equal(parsed("2026-01-02T04:04:05+01:00"), utc);
    assert_int_equal(parsed("2026-01-01T21:34:05-05:30"), utc);
    assert_int_equal(parsed("2026-01-02T03:04:05-00:00"), utc);
    assert_int_equal(parsed("2026-01-03T03:03:05+23:59"), utc);
    assert_int_equal(parsed("2025-12-31T23:30:00-01:00"), parsed("2026-01-01T00:30:00Z"));
}

static void test_leap_seconds(void **state)
{
    varve_time midnight = parsed("2017-01-01T00:00:00Z");

    (void)state;
    assert_int_equal(parsed("2016-12-31T23:59:60Z"), midnight);
    assert_int_equal(parsed("2016-12-31T18:29:60-05:30"), midnight);
    assert_int_equal(parsed("2016-12-31T23:59:60.5Z"), midnight + 500000);
}

static void test_refuses(void **state)
{
    static const char *const texts[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-1-02T03:04:05Z",
        "26-01-02T03:04:05Z",
        "02026-01-02T03:04:05Z",
        "2026-01-02T3:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-04-31T03:04:05Z",
        "2026-02-29T03:04:05Z",
        "1900-02-29T03:04:05Z",
        "2024-02-30T03:04:05Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:60Z",
        "2016-12-30T23:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02T03:04:05+0100",
        "2026-01-02T03:04:05+1:00",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+01:60",
        "2026-01-02T03:04:05Z ",
        " 2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05ZZ",
        "0000-12-31T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "-001-01-01T00:00:00Z",
        "2026-01-02T03:04:05.-5Z",
        "9999-12-31T23:59:60Z",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        varve_error error = { 0 };
        varve_time time = 1;

        if (varve_time_parse(&time, varve_str_of(texts[i]), &error) != VARVE_INVALID)
            fail_msg("%s is accepted", texts[i]);
        assert_int_equal(time, 0);
        assert_non_null(strstr(error.message, texts[i]));
    }
    assert_int_equal(varve_time_parse(&(varve_time){ 0 }, (varve_str){ 0 }, NULL), VARVE_INVALID);
}

/* A day in nine of ten thousand years, at changing times of day, against the C library. */
static void test_round_trips(void **state)
{
    const varve_time step = 9 * (varve_time)86400000000 + 4321987654;

    (void)state;
    for (varve_time time = time_min; time <= time_max; time += step) {
        varve_time micros = ((time % 1000000) + 1000000) % 1000000;
        time_t seconds = (time_t)((time - micros) / 1000000);
        char text[VARVE_TIME_TEXT_BYTES], expected[64];
        struct tm tm;

        varve_time_format(time, text);
        assert_non_null(gmtime_r(&seconds, &tm));
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)micros);
        assert_string_equal(text, expected);
        assert_int_equal(parsed(text), time);
    }
}

static void test_format_stays_within_its_years(void **state)
{
    char text[VARVE_TIME_TEXT_BYTES];

    (void)state;
    varve_time_format(time_min, text);
    assert_string_equal(text, "0001-01-01T00:00:00.000000Z");
    varve_time_format(time_min - 1, text);
    assert_string_equal(text, "0001-01-01T00:00:00.000000Z");
    varve_time_format(INT64_MIN, text);
    assert_string_equal(text, "0001-01-01T00:00:00.000000Z");
    varve_time_format(time_max, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
    varve_time_format(time_max + 1, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
    varve_time_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
}

static void test_now(void **state)
{
    varve_time before = (varve_time)time(NULL), now = varve_time_now(), after = (varve_time)time(NULL);

    (void)state;
    /* time() may lag behind by one tick of the system's clock. */
    assert_in_range(now / 1000000, before, after + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_leap_seconds), cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_round_trips),  cmocka_unit_test(test_format_stays_within_its_years),
        cmocka_unit_test(test_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
