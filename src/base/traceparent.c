/* SPDX-License-Identifier: Apache-2.0 */
#include "base/traceparent.h"

enum { TRACE_ID = 3, TRACE_ID_LEN = 32, PARENT_ID = 36, PARENT_ID_LEN = 16 };

static bool is_zero(const char *digits, size_t len)
{
    return strspn(digits, "0") >= len;
}

bool traceparent_is_valid(varve_str text)
{
    static const char form[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    char copy[sizeof form];
    if (text.len != sizeof form - 1) return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (form[i] == 'x' ? !hex : c != form[i]) return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return !is_zero(copy + TRACE_ID, TRACE_ID_LEN) && !is_zero(copy + PARENT_ID, PARENT_ID_LEN);
}
