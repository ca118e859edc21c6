/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pages.h"

enum json_token page_member(varve_str object, const char *name, varve_str *value)
{
    struct json_scanner scanner;
    json_start_around(&scanner, object);
    enum json_token found = JSON_END;
    if (json_next(&scanner) != JSON_OBJECT) {
        return JSON_ERROR;
    }
    for (;;) {
        enum json_token token = json_next(&scanner);
        if (token == JSON_OBJECT_END) {
            return found;
        }
        if (token != JSON_KEY) {
            return JSON_ERROR;
        }
        bool wanted = json_is(&scanner, name);
        varve_str member = { 0 };
        token = json_skip(&scanner, json_next(&scanner), &member);
        if (token == JSON_ERROR) {
            return JSON_ERROR;
        }
        if (wanted) {
            *value = member;
            found = token;
        }
    }
}

varve_status page_items(varve_str page, const char *member, page_item item, void *ctx, uint64_t *count,
                        varve_error *error)
{
    varve_str list = { 0 };
    struct json_scanner scanner;
    enum json_token token = page_member(page, member, &list);
    json_start_around(&scanner, list);
    if (token != JSON_ARRAY || json_next(&scanner) != JSON_ARRAY) {
        return varve_error_set(error, VARVE_UNAVAILABLE, "the answer has no list '%s'", member);
    }
    varve_status status = VARVE_OK;
    while (status == VARVE_OK && (token = json_next(&scanner)) == JSON_OBJECT) {
        varve_str object = { 0 };
        if (json_skip(&scanner, token, &object) == JSON_ERROR) {
            return varve_error_set(error, VARVE_UNAVAILABLE, "the answer is not JSON");
        }
        status = item(ctx, object, error);
        ++*count;
    }
    return status;
}

uint64_t page_number(varve_str page, const char *name)
{
    varve_str value = { 0 };
    struct json_scanner scanner;
    enum json_token token = page_member(page, name, &value);
    json_start(&scanner, value);
    return token == JSON_INTEGER && json_next(&scanner) == token && scanner.integer > 0 ? (uint64_t)scanner.integer : 0;
}
