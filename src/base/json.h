/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON scanner: says whether a text is JSON that every part of varve can read back, and walks
 * it token by token without copying, so that payload bytes stay exactly as they came.
 *
 * Accepted is RFC 8259 JSON that is valid UTF-8, without \u0000 and lone surrogates, integers
 * within 64 bits signed, numbers with a fraction or exponent finite as doubles, at most
 * VARVE_JSON_DEPTH_MAX deep. A member name that stands twice in one object is accepted by the
 * scanner (the last one counts for readers).
 */
#ifndef VARVE_BASE_JSON_H
#define VARVE_BASE_JSON_H

#include <varve/event.h>

enum json_token {
    JSON_ERROR = 0,
    JSON_OBJECT,     /* { */
    JSON_OBJECT_END, /* } */
    JSON_ARRAY,      /* [ */
    JSON_ARRAY_END,  /* ] */
    JSON_KEY,        /* a member's name; its value is the next token */
    JSON_STRING,
    JSON_INTEGER,
    JSON_REAL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_END, /* the text is over and was one whole value */
};

/* Starts with json_start; open to be read, not to be written. */
struct json_scanner {
    const char *start, *at, *end; /* `at`: where to read on; after JSON_ERROR, where it went wrong */
    uint64_t containers[VARVE_JSON_DEPTH_MAX / 64 + 1]; /* a bit a level: set for an object */
    uint32_t depth;                                     /* containers open around the next token */
    uint32_t depth_max;
    int expects; /* what the grammar allows next */

    varve_str raw;       /* the token's bytes; of a string or key without the quotes */
    bool escaped;        /* string or key: `raw` has escapes, see json_unescape */
    int64_t integer;     /* JSON_INTEGER */
    const char *problem; /* JSON_ERROR: what is wrong; static */
};

void json_start(struct json_scanner *scanner, varve_str text);

/* The same for a text that carries payloads inside, which may each be as deep as VARVE_JSON_DEPTH_MAX. */
void json_start_around(struct json_scanner *scanner, varve_str text);

/* The next token. After JSON_ERROR or JSON_END it repeats itself. */
enum json_token json_next(struct json_scanner *scanner);

/*
 * When the token just read (`token`) begins an object or array, reads to its end. `value` becomes
 * the value's own bytes, of a string with its quotes. Returns `token`, or JSON_ERROR.
 */
enum json_token json_skip(struct json_scanner *scanner, enum json_token token, varve_str *value);

/* The value of the JSON_REAL or JSON_INTEGER just read as the nearest double, in any locale. */
double json_double(const struct json_scanner *scanner);

/* Appends a string's or key's text with its escapes resolved. `raw` must have come from the scanner. */
void json_unescape(varve_str raw, varve_buf *text);

/* True when the string or key just read is `text`, escapes considered. */
bool json_is(const struct json_scanner *scanner, const char *text);
bool json_is_str(const struct json_scanner *scanner, varve_str text);

/* Reads the whole text. VARVE_INVALID with what is wrong and at which byte; `what` names the text in the message. */
varve_status json_check(varve_str text, const char *what, varve_error *error);

/*
 * Finds the value at a dotted path ("customer.address.city", "items[0].sku"; a name in a path has
 * no '.' or '['). Returns its token type and its bytes, or JSON_END when it is not there, or
 * JSON_ERROR when the text is not JSON. The last of several members of one name counts. `path` must
 * be well formed; the empty path is the whole text. Reads the text once a step.
 */
enum json_token json_find(varve_str text, varve_str path, varve_str *value);

/* One step of a path: a member's name, or an element's index. */
struct json_step {
    varve_str name;
    size_t index;
    bool indexed;
};

/* Takes the next step off `path`, which is not empty; false when it is not well formed. */
bool json_path_step(varve_str *path, bool first, struct json_step *step);

#endif
