/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a command before, by the id that its caller gave it. With events it stands in the log: their ids
 * follow from the command's. Without (a rejection, or accepted with nothing to tell) it is a record of its own, kept
 * for a while. A command has one of the two: the append of its events asks for the record, which is only written when
 * there is no event.
 */
#ifndef VARVE_COMMAND_FIRST_H
#define VARVE_COMMAND_FIRST_H

#include <varve/command.h>

#include "command/content.h"
#include "store/access.h"

/* Of a command whose id its caller gave: what its record is made of. Starts from {0}; ends with first_fini. */
struct first {
    char key[VARVE_UUID_TEXT_BYTES];
    char digest[CONTENT_DIGEST_BYTES];
    varve_buf value;
};

/* `command` is complete. */
void first_init(struct first *first, const varve_command *command);
void first_fini(struct first *first);

/* For an append of events: refused with ID_CONFLICT when there is a record. Borrows from `first`. */
void first_check(const struct first *first, struct store_write *write);

/*
 * The record of an outcome without events: a rejection when `code` is not empty, else accepted at `version`. Refused
 * with ID_CONFLICT when there is one. Borrows from `first` until its next use. VARVE_NOMEM.
 */
varve_status first_keep(struct first *first, const varve_outcome *outcome, uint32_t retention_s,
                        struct store_write *write, varve_error *error);

/*
 * Looks for the first outcome. VARVE_OK: there is none, and `outcome` stays. VARVE_REPEATED, VARVE_REJECTED: `outcome`
 * is it, in its memory, an arena that is reset for it. VARVE_ID_CONFLICT: the id was used for another command.
 * Otherwise as varve_event_find.
 */
varve_status first_find(const struct first *first, varve_store *store, const varve_command *command,
                        varve_outcome *outcome, varve_error *error);

#endif
