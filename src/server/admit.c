/* SPDX-License-Identifier: Apache-2.0 */
#include "server/admit.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool admit_same(varve_str text, const char *lower_text)
{
    varve_str other = varve_str_of(lower_text);
    if (text.len != other.len) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (lower(text.ptr[i]) != other.ptr[i]) return false;
    }
    return true;
}

static bool is_port(varve_str text)
{
    if (text.len == 0) return true;
    if (text.ptr[0] != ':' || text.len > 6) return false;
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
    }
    return true;
}

bool admit_host(varve_str host)
{
    static const char *const names[] = { "127.0.0.1", "localhost", "[::1]" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]);
        if (host.len < len) continue;
        varve_str name = { host.ptr, len }, port = { host.ptr + len, host.len - len };
        if (admit_same(name, names[i]) && is_port(port)) return true;
    }
    return false;
}

static varve_str trim(varve_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) text.ptr++, text.len--;
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) text.len--;
    return text;
}

/* Takes the next part of a header's value that is separated by `separator`. False at the end. */
static bool next_part(varve_str *rest, char separator, varve_str *part)
{
    if (rest->ptr == NULL) return false;
    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, separator, rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    *part = trim((varve_str){ rest->ptr, len });
    *rest = end == NULL ? (varve_str){ NULL, 0 } : (varve_str){ end + 1, rest->len - len - 1 };
    return true;
}

enum media_type admit_media_type(varve_str content_type)
{
    varve_str rest = content_type, part = { NULL, 0 };
    enum media_type type = MEDIA_OTHER;
    if (!next_part(&rest, ';', &part)) return MEDIA_OTHER;
    if (admit_same(part, "application/json")) type = MEDIA_JSON;
    if (admit_same(part, "application/x-ndjson") || admit_same(part, "application/ndjson")) type = MEDIA_NDJSON;
    if (admit_same(part, "application/cloudevents+json") || admit_same(part, "application/cloudevents-batch+json")) {
        type = MEDIA_CLOUDEVENTS;
    }
    while (next_part(&rest, ';', &part)) {
        if (part.len >= 8 && admit_same((varve_str){ part.ptr, 8 }, "charset=")) {
            varve_str charset = { part.ptr + 8, part.len - 8 };
            if (!admit_same(charset, "utf-8") && !admit_same(charset, "\"utf-8\"")) return MEDIA_OTHER;
        }
    }
    return type;
}

bool admit_event_stream(varve_str accept)
{
    varve_str rest = accept, range, type = { NULL, 0 };
    while (next_part(&rest, ',', &range)) {
        if (next_part(&range, ';', &type) && admit_same(type, "text/event-stream")) return true;
    }
    return false;
}
