/* SPDX-License-Identifier: Apache-2.0 */
/* A request's body that is one JSON object of known fields, none of them a payload. */
#ifndef VARVE_SERVER_BODY_H
#define VARVE_SERVER_BODY_H

#include <varve/event.h>

#include "base/arena.h"

enum body_kind {
    BODY_TEXT,    /* a varve_str */
    BODY_TEXTS,   /* a const varve_str *, with a count */
    BODY_NUMBER,  /* a uint64_t */
    BODY_NUMBERS, /* a const uint64_t *, with a count */
};

struct body_field {
    const char *name;
    enum body_kind kind;
    uint64_t max; /* of numbers; 0: 2^63 - 1. Of lists, how many */
    void *value;
    size_t *count; /* of BODY_TEXTS and BODY_NUMBERS */
    bool given;    /* set by body_read */
};

/*
 * Reads the fields that the body has; texts and lists live in the arena or are borrowed from the body. An empty body is
 * an object without fields. VARVE_INVALID: no JSON, an unknown field, one given twice or of another kind, a number that
 * is too large. VARVE_NOMEM.
 */
varve_status body_read(varve_str body, struct body_field *fields, size_t field_count, struct arena *arena,
                       varve_error *error);

#endif
