/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include <varve/event.h>

enum { US_PER_S = 1000000, S_PER_DAY = 86400 };

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z in seconds since 1970. */
static const int64_t first_second = -62135596800, last_second = 253402300799;

varve_time varve_time_now(void)
{
    struct timespec now = { 0 };

    clock_gettime(CLOCK_REALTIME, &now);
    return (varve_time)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

/*
 * Dates and days. Years are counted from March, so that the leap day is a year's last; the days
 * before a month are then (153 * month + 2) / 5, with March as month 0. Proleptic Gregorian.
 */
static int64_t days_of_date(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1; /* never negative here: year is at least 1 */
    int64_t m = month > 2 ? month - 3 : month + 9;

    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    int64_t since = days + 719468; /* since 0000-03-01, never negative for year 1 and later */
    int64_t cycle = since / 146097, in_cycle = since % 146097;
    int64_t y = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
    int64_t in_year = in_cycle - (y * 365 + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;

    *day = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(cycle * 400 + y + (*month <= 2));
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : days[month - 1];
}

/* Takes `count` digits off `text`; false when there are not that many. */
static bool take_digits(varve_str *text, size_t count, int *number)
{
    *number = 0;
    if (text->len < count) return false;
    for (size_t i = 0; i < count; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9') return false;
        *number = *number * 10 + (text->ptr[i] - '0');
    }
    text->ptr += count;
    text->len -= count;
    return true;
}

static bool take_char(varve_str *text, char wanted)
{
    if (text->len == 0 || text->ptr[0] != wanted) return false;
    text->ptr++;
    text->len--;
    return true;
}

/* "2026-01-02": days since 1970. */
static bool take_date(varve_str *text, int64_t *days)
{
    int year, month, day;

    if (!take_digits(text, 4, &year) || !take_char(text, '-') || !take_digits(text, 2, &month) ||
        !take_char(text, '-') || !take_digits(text, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
    *days = days_of_date(year, month, day);
    return true;
}

/* "03:04:05.678": seconds into the day and microseconds. */
static bool take_clock(varve_str *text, int64_t *seconds, int64_t *micros, bool *leap)
{
    int hour, minute, second, digit;
    int64_t unit = US_PER_S / 10;

    if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute) ||
        !take_char(text, ':') || !take_digits(text, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
    *seconds = hour * 3600 + minute * 60 + second;
    *leap = second == 60;
    *micros = 0;
    if (!take_char(text, '.')) return true;
    if (!take_digits(text, 1, &digit)) return false;
    do {
        *micros += digit * unit;
        unit /= 10;
    } while (take_digits(text, 1, &digit));
    return true;
}

/* "Z", "+01:00", "-05:30": seconds to take off. */
static bool take_offset(varve_str *text, int64_t *offset)
{
    int hours, minutes;
    bool west;

    *offset = 0;
    if (take_char(text, 'Z') || take_char(text, 'z')) return true;
    west = take_char(text, '-');
    if (!west && !take_char(text, '+')) return false;
    if (!take_digits(text, 2, &hours) || !take_char(text, ':') || !take_digits(text, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    *offset = (west ? -1 : 1) * (hours * (int64_t)3600 + minutes * (int64_t)60);
    return true;
}

/*
 * A leap second is read as the second after it, and only where one can be: before midnight UTC at
 * the end of a month (RFC 3339, section 5.7).
 */
static bool can_be_leap(int64_t next_second)
{
    int year, month, day;

    if (next_second % S_PER_DAY != 0) return false;
    date_of_days(next_second / S_PER_DAY, &year, &month, &day);
    return day == 1;
}

static bool parse(varve_time *time, varve_str text)
{
    int64_t days, seconds, micros, offset;
    bool leap;

    if (!take_date(&text, &days) || !(take_char(&text, 'T') || take_char(&text, 't')) ||
        !take_clock(&text, &seconds, &micros, &leap) || !take_offset(&text, &offset) || text.len > 0)
        return false;
    seconds += days * S_PER_DAY - offset;
    if (seconds < first_second || seconds > last_second || (leap && !can_be_leap(seconds))) return false;
    *time = seconds * US_PER_S + micros;
    return true;
}

varve_status varve_time_parse(varve_time *time, varve_str text, varve_error *error)
{
    *time = 0;
    if (parse(time, text)) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "\"%.*s\" is not an RFC 3339 time such as 2026-01-02T03:04:05Z",
                           (int)(text.len > 64 ? 64 : text.len), text.len > 0 ? text.ptr : "");
}

static char *put_digits(char *at, int count, int64_t number)
{
    for (int i = count - 1; i >= 0; i--, number /= 10) at[i] = (char)('0' + number % 10);
    return at + count;
}

/* A time beyond the years that RFC 3339 can write is written as the nearest that it can. */
void varve_time_format(varve_time time, char text[VARVE_TIME_TEXT_BYTES])
{
    int64_t seconds = time / US_PER_S, micros = time % US_PER_S;
    int64_t in_day, days;
    int year, month, day;
    char *at = text;

    if (micros < 0) {
        micros += US_PER_S;
        seconds--;
    }
    if (seconds < first_second) {
        seconds = first_second;
        micros = 0;
    } else if (seconds > last_second) {
        seconds = last_second;
        micros = US_PER_S - 1;
    }
    in_day = ((seconds % S_PER_DAY) + S_PER_DAY) % S_PER_DAY;
    days = (seconds - in_day) / S_PER_DAY;
    date_of_days(days, &year, &month, &day);
    at = put_digits(at, 4, year);
    *at++ = '-';
    at = put_digits(at, 2, month);
    *at++ = '-';
    at = put_digits(at, 2, day);
    *at++ = 'T';
    at = put_digits(at, 2, in_day / 3600);
    *at++ = ':';
    at = put_digits(at, 2, in_day / 60 % 60);
    *at++ = ':';
    at = put_digits(at, 2, in_day % 60);
    *at++ = '.';
    at = put_digits(at, 6, micros);
    *at++ = 'Z';
    *at = '\0';
}
