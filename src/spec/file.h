/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of examples for one aggregate: given these events, when this command comes, then that.
 *
 *     stream: order-7                      # or in an example, where it says something else
 *     examples:
 *       - name: a placed order is shipped
 *         given:
 *           - OrderPlaced: { customer_id: c-1 }
 *         when: ShipOrder
 *         then:
 *           - OrderShipped
 *
 * An event or a command is TYPE, TYPE: DATA, or a mapping with "type". docs/specs.md has all of it.
 */
#ifndef VARVE_SPEC_FILE_H
#define VARVE_SPEC_FILE_H

#include <varve/command.h>

#include "spec/yaml.h"

/* What a file may come to in memory, whatever its aliases say. */
#define SPEC_BYTES_MAX (64u << 20)

#define SPEC_EXAMPLES_MAX 1000u /* of a file */

/* Where something stands in its file. */
struct spec_place {
    unsigned line, column;
};

/* An expected piece of JSON. */
struct spec_json {
    varve_str json; /* empty: nothing is expected of it */
    bool is_part;   /* what it leaves out of an object is not looked at */
};

/* An event that happened, or one that is expected. */
struct spec_event {
    struct spec_place place;
    varve_event event;     /* schema_version 0, occurred_at 0, tags NULL: not given */
    struct spec_json data; /* expected: the event's data, or a part of it */
};

struct spec_example {
    struct spec_place place;
    varve_str name;
    varve_str stream;
    const struct spec_event *given;
    size_t given_count;
    bool has_command;
    varve_command command;

    /* What is expected: events or a rejection, a state, or both. */
    bool expects_events;
    const struct spec_event *events;
    size_t event_count;
    bool expects_rejection;
    varve_str code;   /* empty: any … */
    bool has_message; /* … and likewise */
    varve_str message;
    struct spec_json state;
};

/* Starts from {0}; ends with spec_file_fini. */
struct spec_file {
    const char *name; /* borrowed */
    struct spec_example *examples;
    size_t count;
    struct arena arena; /* holds all of it */
};

/*
 * Reads a file's text; `name` is what errors call it, "NAME:LINE:COLUMN: …". VARVE_INVALID: it is no YAML, or says
 * something that is no example. VARVE_UNSUPPORTED: a part that is not built yet. VARVE_TOO_LARGE, VARVE_NOMEM.
 */
varve_status spec_file_read(struct spec_file *file, const char *name, varve_str text, varve_error *error);
void spec_file_fini(struct spec_file *file);

#endif
