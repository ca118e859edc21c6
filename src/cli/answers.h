/* SPDX-License-Identifier: Apache-2.0 */
/* The answers to a batch of commands: printed and counted. */
#ifndef VARVE_CLI_ANSWERS_H
#define VARVE_CLI_ANSWERS_H

#include "cli/options.h"

/* Used by one thread at a time; starts with answers_init, ends with answers_fini. */
struct answers {
    const struct call *call;
    struct items items;
    struct output lines; /* how they are printed: JSON is a line for each, too */
    varve_buf json;
    uint64_t accepted;
    uint64_t rejected;
    uint64_t failed;
    uint64_t last_position; /* the greatest of any answer */
    varve_error first;      /* failure, with its line */
};

void answers_init(struct answers *answers, const struct call *call);

/*
 * Takes the next command's answer: with VARVE_OK or VARVE_REPEATED what was appended, with
 * VARVE_REJECTED an object that has "code" and "message", with a failure its error.
 */
varve_status answers_add(struct answers *answers, varve_status status, varve_str json, const varve_error *failure,
                         varve_error *error);

/* Shows what came so far. */
varve_status answers_flush(struct answers *answers, varve_error *error);

/* Prints what is left and the summary. VARVE_OK, or the first failure. */
varve_status answers_end(struct answers *answers, varve_error *error);
void answers_fini(struct answers *answers);

/* Appends {"code","message"} as they stand in `json`. */
void answers_write_rejection(varve_str json, varve_buf *out);

#endif
