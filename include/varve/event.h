/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events, and the small value types they are made of: text views, growable text, ids and times.
 * Nothing here keeps state: every function may be called from any thread.
 */
#ifndef VARVE_EVENT_H
#define VARVE_EVENT_H

#include <stdbool.h>
#include <string.h>
#include <varve/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits of one append; more is refused with VARVE_TOO_LARGE or VARVE_INVALID and nothing is written. */
#define VARVE_DATA_BYTES_MAX    (1u << 20) /* one event's data, and its metadata */
#define VARVE_APPEND_EVENTS_MAX 1000u
#define VARVE_APPEND_BYTES_MAX  (8u << 20) /* data, metadata and names of one append together */
#define VARVE_NAME_BYTES_MAX    255u       /* stream, type, content type, tag */
#define VARVE_TAGS_MAX          64u
#define VARVE_QUERY_ITEMS_MAX   64u /* of an event query, each with as many types and tags at most */
#define VARVE_JSON_DEPTH_MAX    512u

/* A view of text or bytes: not owned, not terminated. {NULL, 0} is the empty view. */
typedef struct varve_str {
    const char *ptr;
    size_t len;
} varve_str;

#define VARVE_STR(literal) ((varve_str){ "" literal, sizeof(literal) - 1 })

static inline varve_str varve_str_of(const char *text)
{
    varve_str view = { text, text == NULL ? 0 : strlen(text) };
    return view;
}

static inline bool varve_str_eq(varve_str a, varve_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool varve_str_is(varve_str a, const char *text)
{
    return varve_str_eq(a, varve_str_of(text));
}

/*
 * Growable text, owned by whoever declares it: start from {0}, end with varve_buf_fini. An
 * allocation that fails sets `failed` and later appends do nothing, so that one check at the end is
 * enough. `ptr` is always terminated once something was appended.
 */
typedef struct varve_buf {
    char *ptr;
    size_t len;
    size_t capacity;
    bool failed;
} varve_buf;

VARVE_API void varve_buf_add(varve_buf *buf, const void *bytes, size_t len);
VARVE_API void varve_buf_str(varve_buf *buf, varve_str text);
VARVE_API void varve_buf_printf(varve_buf *buf, const char *format, ...) VARVE_PRINTF(2, 3);
/* Appends `text` (valid UTF-8) as a JSON string, quotes included. */
VARVE_API void varve_buf_json_string(varve_buf *buf, varve_str text);
/* Empties the text and keeps its memory; `failed` is cleared. */
VARVE_API void varve_buf_reset(varve_buf *buf);
/* Frees the memory and zeroes the struct. */
VARVE_API void varve_buf_fini(varve_buf *buf);

static inline varve_str varve_buf_view(const varve_buf *buf)
{
    varve_str view = { buf->ptr, buf->len };
    return view;
}

/* Microseconds since 1970-01-01T00:00:00Z. 0 means "not set". */
typedef int64_t varve_time;

#define VARVE_TIME_TEXT_BYTES 28 /* "2026-01-02T03:04:05.678901Z" and its terminator */

/* The clock's time now. */
VARVE_API varve_time varve_time_now(void);
/* Reads RFC 3339 ("2026-01-02T03:04:05Z", fraction and offset allowed, finer than 1 µs is cut). VARVE_INVALID. */
VARVE_API varve_status varve_time_parse(varve_time *time, varve_str text, varve_error *error);
/* Writes RFC 3339 in UTC with microseconds, terminated. Years 1 to 9999. */
VARVE_API void varve_time_format(varve_time time, char text[VARVE_TIME_TEXT_BYTES]);

/* A UUID in network order. All zero means "not set". */
typedef struct varve_uuid {
    uint8_t bytes[16];
} varve_uuid;

#define VARVE_UUID_TEXT_BYTES 37

/* A new UUIDv7 (RFC 9562, method 1: ids made by one process increase). Needs the system's random source. */
VARVE_API varve_uuid varve_uuid_new(void);
/* Reads the 36-character form in either case. VARVE_INVALID; the nil UUID is refused too. */
VARVE_API varve_status varve_uuid_parse(varve_uuid *id, varve_str text, varve_error *error);
VARVE_API void varve_uuid_format(varve_uuid id, char text[VARVE_UUID_TEXT_BYTES]);
VARVE_API bool varve_uuid_is_nil(varve_uuid id);

/*
 * One event, for writing and for reading. On the way in, `version`, `position` and `recorded_at` are
 * ignored; empty or zero means the default. On the way out every view is borrowed from where the
 * event came from, which says for how long.
 */
typedef struct varve_event {
    varve_str stream;       /* "category-aggregate_id" */
    varve_str type;         /* "OrderPlaced" */
    varve_str data;         /* JSON unless content_type says otherwise; default "{}"; kept byte for byte */
    varve_str metadata;     /* a JSON object; default "{}"; kept byte for byte; its "correlation_id" is indexed */
    varve_str content_type; /* default "application/json" */
    const varve_str *tags;
    size_t tag_count;
    varve_uuid id;           /* default: a new UUIDv7 */
    uint32_t schema_version; /* default 1 */
    varve_time occurred_at;  /* domain time; default: recorded_at */
    uint64_t version;        /* place in its stream: 1, 2, 3 … */
    uint64_t position;       /* place in the log: 1, 2, 3 … */
    varve_time recorded_at;  /* the log's time; never decreases with position */
} varve_event;

/* One alternative of an event query: any of the types and all of the tags. With neither it is every event. */
typedef struct varve_query_item {
    const varve_str *types;
    size_t type_count;
    const varve_str *tags;
    size_t tag_count;
} varve_query_item;

/* What stands before the first '-' of a stream's name, or the whole name. Borrowed from `stream`. */
VARVE_API varve_str varve_stream_category(varve_str stream);
/* What stands after the first '-', or nothing. Borrowed from `stream`. */
VARVE_API varve_str varve_stream_aggregate_id(varve_str stream);

/*
 * Appends the event as one JSON object without line breaks of our own:
 * {"position","stream","aggregate_id","version","id","type","data","metadata","tags","occurred_at","recorded_at"},
 * data and metadata byte for byte. Data of another content type comes as "data_base64" with
 * "content_type"; "schema_version" is there when it is not 1.
 */
VARVE_API void varve_event_write_json(const varve_event *event, varve_buf *out);

/*
 * One field out of a JSON object, for deciders that need no more. `path` is dotted, with indexes:
 * "customer.address.city", "items[0].sku". VARVE_NOT_FOUND when it is not there or null,
 * VARVE_INVALID when it is there with another type (for _int: no 64-bit integer) or `json` is not JSON.
 * varve_json_string appends the unescaped text to `value`.
 */
VARVE_API varve_status varve_json_int(varve_str json, const char *path, int64_t *value, varve_error *error);
VARVE_API varve_status varve_json_double(varve_str json, const char *path, double *value, varve_error *error);
VARVE_API varve_status varve_json_bool(varve_str json, const char *path, bool *value, varve_error *error);
VARVE_API varve_status varve_json_string(varve_str json, const char *path, varve_buf *value, varve_error *error);
/* The value's own bytes, borrowed from `json`; null counts as a value here. */
VARVE_API varve_status varve_json_raw(varve_str json, const char *path, varve_str *value, varve_error *error);

#ifdef __cplusplus
}
#endif
#endif
