/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/postgres_uri.h"

#include <string.h>

static bool is_plain(varve_str name)
{
    if (name.len == 0 || name.len >= POSTGRES_NAME_BYTES) return false;
    if (name.len >= 3 && memcmp(name.ptr, "pg_", 3) == 0) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || (c != '$' && (c < '0' || c > '9')))) return false;
    }
    return true;
}

varve_status postgres_uri_split(const char *uri, varve_buf *plain, char schema[POSTGRES_NAME_BYTES], varve_error *error)
{
    static const char key[] = "schema=";
    varve_str name = VARVE_STR(SQL_SCHEMA_DEFAULT);
    size_t path = strcspn(uri, "?");
    char before = '?';
    varve_buf_add(plain, uri, path);
    for (const char *at = uri + path; *at != '\0';) {
        varve_str parameter = { at + 1, strcspn(at + 1, "&") };
        at = parameter.ptr + parameter.len;
        if (parameter.len >= sizeof key - 1 && memcmp(parameter.ptr, key, sizeof key - 1) == 0) {
            name = (varve_str){ parameter.ptr + sizeof key - 1, parameter.len - (sizeof key - 1) };
        } else if (parameter.len > 0) {
            varve_buf_add(plain, &before, 1);
            varve_buf_str(plain, parameter);
            before = '&';
        }
    }
    varve_buf_add(plain, "", 1);
    if (plain->failed) return varve_error_set(error, VARVE_NOMEM, "no memory for a URI");
    if (!is_plain(name)) {
        return varve_error_set(error, VARVE_INVALID,
                               "a schema is named with lower-case letters, digits, _ and $, and \"%.*s\" is not",
                               name.len > 80 ? 80 : (int)name.len, name.ptr);
    }
    memcpy(schema, name.ptr, name.len);
    schema[name.len] = '\0';
    return VARVE_OK;
}
