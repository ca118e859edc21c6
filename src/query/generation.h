/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation: one running copy of a read model, a database of its own: a file or a schema (place.h).
 *
 * Each generation of a projection has a number, which is never used twice for something that has served.
 * Beside the author's tables it has varve_parked (aside.h) and varve_checkpoint: which projection and version, with
 * which upcasters, made it and up to which event of which incarnation, written in the transaction of the changes. That
 * is one row, or one for each part of a projection with partitions: then the model is as far as the part that is least
 * far.
 */
#ifndef VARVE_QUERY_GENERATION_H
#define VARVE_QUERY_GENERATION_H

#include "base/log.h"
#include "event/upcast.h"
#include "query/aside.h"
#include "query/place.h"
#include "query/projection.h"

enum { GENERATION_EVENT_MS = 10000 };

/* Where a projection's generations are, and what they are made for. Borrowed by each of them. */
struct generation_home {
    struct place place;
    const struct sqlfile *file;
    const char *incarnation;           /* of the log, as its positions are understood now */
    const struct upcasters *upcasters; /* NULL: none */
    uint32_t event_ms;                 /* an event's statements take no longer; 0: GENERATION_EVENT_MS */

    /* Made by generation_home_complete: */
    const varve_str *types; /* that events which concern the projection can have in the log */
    size_t type_count;
    uint64_t version; /* what models are made by: the file's version, and what tells its upcasters, its partitions, and
                         the tables and types of code, from others */
    unsigned parts;   /* of a generation: the file's partitions where the place has several writers; else 1 */
};

struct checkpoint {
    uint64_t version; /* as in generation_home */
    bool ours;        /* it belongs to the log's incarnation */
    uint64_t position;
    varve_uuid id;     /* of the event at this position; nil at position 0 */
    uint64_t furthest; /* nothing behind this position is in the model: the position of the part that is furthest */
};

/*
 * The writing side of a generation; one thread at a time. Where its home has several parts, each is such a generation
 * too, with a session of its own, for the streams that belong to it and for one thread beside those of the others. What
 * is for all of the model then is for the whole one, while no part is at work: the whole changes the model, but takes
 * the log's events by its parts alone.
 */
struct generation {
    const struct generation_home *home;
    uint64_t number;
    struct sql_session *session;
    struct sql_statement *update;
    struct sql_statement *fence;                    /* the place's; NULL until it is used */
    struct generation *parts[VARVE_PARTITIONS_MAX]; /* part_count of them, while there is a projection */
    unsigned part_count;                            /* 0: it takes events itself */
    struct generation *whole;                       /* of a part; else NULL */
    unsigned part;                                  /* its number among them, from 1; 0: it is none */
    struct upcast upcast;
    struct projection *projection; /* NULL: made by another version or for other statements; nothing can be added */
    struct aside parked;           /* while there is a projection */
    struct checkpoint checkpoint;  /* as committed */
    bool uncertain;                /* it may not be: see generation_settle */
    bool swift;                    /* failures may be told later than events: nobody knows whose they are */
};

/* Fills in the rest of a home, from `arena`; before any generation is made or opened for writing there. VARVE_NOMEM. */
varve_status generation_home_complete(struct generation_home *home, struct arena *arena, varve_error *error);

/* Makes an empty generation at position 0. VARVE_INVALID with file:line, FULL, IO … On failure nothing is left. */
varve_status generation_create(struct generation **generation, const struct generation_home *home, uint64_t number,
                               varve_error *error);
/*
 * Opens one that exists. VARVE_CORRUPT when it is missing, damaged or has no checkpoint. One that is
 * there and cannot be opened is VARVE_IO, as everywhere below, or VARVE_BUSY when another process has it.
 */
varve_status generation_open(struct generation **generation, const struct generation_home *home, uint64_t number,
                             varve_error *error);
/* NULL is allowed. */
void generation_close(struct generation *generation);
/* Closes and removes it; who is still reading it can go on. NULL is allowed. */
void generation_remove(struct generation *generation);

/* VARVE_LOCKED, here and wherever something is changed: the models are another process's by now (place.h). */
varve_status generation_begin(struct generation *generation, varve_error *error);
/* From the next event on; without effect where the database tells failures at once anyway. Made ones are swift. */
void generation_set_swift(struct generation *generation, bool swift);
/* As projection_apply, for all that the event is today: nothing of it is committed without the rest. APPLICATION;
 * TIMEOUT. */
varve_status generation_apply(struct generation *generation, const varve_event *event, varve_error *error);
/* Commits with the checkpoint at this event. On failure everything since the beginning is rolled back. */
varve_status generation_commit(struct generation *generation, uint64_t position, varve_uuid id, varve_error *error);
/* Commits and leaves the checkpoint where it is; the same on failure. */
varve_status generation_keep(struct generation *generation, varve_error *error);
void generation_rollback(struct generation *generation);
/* After VARVE_IO, which leaves open what was committed: reads the checkpoint, and those of the parts, again. Else does
 * nothing. */
varve_status generation_settle(struct generation *generation, varve_error *error);
/* Does an event of this stream belong to it? */
bool generation_takes(const struct generation *generation, varve_str stream);
/* What follows from what the parts have committed: how far the whole is. */
void generation_gather(struct generation *generation);
/* Names its connections, as place_kind.identify. */
void generation_identify(const struct generation *generation, varve_buf *text);

/* The log became another history, and has the checkpoint's event where it was: the generation belongs to it now. */
varve_status generation_adopt(struct generation *generation, varve_error *error);
/* Marks a generation that no longer fits the log: it can be read, but stands at no position of this history. */
varve_status generation_disown(struct generation *generation, varve_error *error);

/* Says in the log why one that was opened is to be built anew, if it is; `fits`: the log has its checkpoint. */
void generation_tell_misfit(const struct generation *generation, bool fits, const struct log *log);

/* Makes this generation the one that serves, atomically. VARVE_IO. */
varve_status generation_publish(const struct generation *generation, varve_error *error);

/* Removes what a crash has left of other generations than `serving`; returns a number that was never used. */
uint64_t generation_clean(const struct generation_home *home, uint64_t serving);

/* Opens a reading session on the generation that serves. VARVE_NOT_FOUND when none does. */
varve_status generation_read(const struct generation_home *home, struct sql_session **session, varve_error *error);
/* Reads its checkpoint. Errors the same. */
varve_status generation_peek(const struct generation_home *home, struct checkpoint *checkpoint, varve_error *error);

/* Prepares reading the checkpoint of the model attached as `schema` (NULL: the session's own). */
varve_status checkpoint_prepare(struct sql_statement **statement, const struct sql_driver *sql,
                                struct sql_session *session, const char *schema, varve_error *error);
/* Runs it. VARVE_CORRUPT when there is no such row. */
varve_status checkpoint_read(struct sql_statement *statement, const struct sql_driver *sql, const char *incarnation,
                             struct checkpoint *checkpoint, varve_error *error);
/* Where each of the parts of the session's model is, of which there are `count`. CORRUPT. */
varve_status checkpoint_read_parts(const struct sql_driver *sql, struct sql_session *session, uint64_t *positions,
                                   unsigned count, varve_error *error);

#endif
