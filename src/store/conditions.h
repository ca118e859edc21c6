/* SPDX-License-Identifier: Apache-2.0 */
/* What append conditions and event queries mean, the same for every driver. */
#ifndef VARVE_STORE_CONDITIONS_H
#define VARVE_STORE_CONDITIONS_H

#include "store/work.h"

/* Does a condition on a stream hold when the stream is at `version`? */
bool condition_holds(const varve_condition *condition, uint64_t version);

/* Notes that the i-th condition does not hold: its stream is at `version`, or the event at `position` matches. */
void append_note_failed(struct store_append *append, size_t i, uint64_t version, uint64_t position);

/* Refuses the append with CONFLICT when a condition was noted as failed; the message tells of the first. */
void append_settle_conditions(struct store_append *append);

/* Refuses the append with CONFLICT because one that it was decided on did not come about. */
void append_refuse_behind(struct store_append *append);

/* Refuses the append with ID_CONFLICT because its absent_id is in the log. */
void append_refuse_known(struct store_append *append);

/* Does a write find what it expects? `there`: its record is, not expired, at `revision`. */
bool write_finds_expected(const struct store_write *write, bool there, uint64_t revision);

/* Refuses the append because its i-th write does not find what it expects. */
void append_refuse_write(struct store_append *append, size_t i);

#endif
