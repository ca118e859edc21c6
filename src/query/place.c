/* SPDX-License-Identifier: Apache-2.0 */
#include "query/place.h"

#define NUMBER_DIGITS_MAX 18u

struct place place_of(const struct sql_driver *sql, const char *location)
{
    const struct place_kind *kind = (sql->capabilities & SQL_IN_A_SCHEMA) != 0 ? &place_schemas : &place_files;
    return (struct place){ .kind = kind, .sql = sql, .location = location };
}

uint64_t place_number(const char *text, const char **rest)
{
    uint64_t number = 0;
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > NUMBER_DIGITS_MAX) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *rest = text + len;
    return number;
}
