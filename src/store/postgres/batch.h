/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of appends being decided: what must be known about the log, what is, and what the appends come to. No I/O:
 * questions.c asks the database and tells the answers; deciding again after other answers is allowed.
 *
 *   batch_init     lists the streams, ids, queries and records that the batch depends on
 *   …              questions.c fills in `version`, `found`, `match` and `known` of each, and `head`; or, when the
 *                  rest can be left to the write (batch_presume), the versions that are remembered, and `head`
 *   batch_decide   gives every append its outcome, and lists in `accepted` the events to be written
 *   batch_settle   once those are durable: positions and versions that only the write could tell, and times
 */
#ifndef VARVE_STORE_POSTGRES_BATCH_H
#define VARVE_STORE_POSTGRES_BATCH_H

#include "store/store.h"

/* What `version` of a stream is. */
enum batch_knowledge {
    VERSION_UNKNOWN,
    VERSION_KNOWN,   /* what is committed */
    VERSION_ASSUMED, /* what the first append on it expects; the write fails when it is another */
    VERSION_COUNTED, /* 0: nothing is decided by it, and the write adds what is committed */
};

struct batch_stream {
    varve_str name;
    enum batch_knowledge knowledge;
    uint64_t version;
    uint64_t decided; /* after the appends that were accepted so far */
};

/* An id that may have been appended before. */
struct batch_id {
    const varve_uuid *id;
    uint64_t position, version; /* position 0: it is not there */
    varve_time recorded_at;
    varve_str stream;
};

struct batch_query {
    const varve_condition *condition;
    uint64_t match; /* the first position that matches; 0: none */
};

struct batch_record {
    struct store_write *write;
    uint64_t known; /* the committed revision; 0: there is none */
    varve_time expires_at;
    varve_str value;
    bool decided; /* to be written */
    bool checked; /* not to be there when the batch is written */
};

/* An event that will be written at `head` + its place in the list + 1, or behind another head that the write finds. */
struct batch_event {
    const varve_event *event;
    struct batch_stream *stream;
    struct store_append *append;
    uint64_t version;
};

struct batch {
    struct store_append **appends;
    size_t append_count;
    struct arena memory;

    struct batch_stream *streams;
    size_t stream_count;
    uint32_t *places; /* open addressing over the streams' names */
    size_t place_count;
    uint32_t **append_streams; /* for each append, where its streams stand in `streams` */
    struct batch_id *ids;      /* in the order of the appends that have some to be looked up */
    size_t id_count;
    struct batch_query *queries; /* in the order of the conditions */
    size_t query_count;
    struct batch_record *records; /* in the order of the writes */
    size_t record_count;

    struct store_head head; /* what the answers are true for */
    varve_time now;         /* the server's clock, when there are records */
    bool resent;            /* an earlier try may have been committed: ids tell, whoever made them */

    struct batch_event *accepted;
    size_t accepted_count;
    uint32_t *id_places; /* open addressing over those ids among the accepted that may come again */
    size_t id_place_count;
    size_t write_count; /* records to be written */
};

/* NOMEM. With `resent` every id is to be looked up. */
varve_status batch_init(struct batch *batch, const struct store_batch *work, bool resent, varve_error *error);
void batch_fini(struct batch *batch);
struct batch_stream *batch_find_stream(struct batch *batch, varve_str name);
/* The revision that the i-th record has when its write's turn comes; 0: there is none. */
uint64_t batch_known_revision(const struct batch *batch, size_t i);
/*
 * Takes for granted what the write itself can find out: versions that are unknown, that ids are new, and that records
 * which must not be there are not. False when something else must be looked up, or a version that is compared with
 * before it is expected.
 */
bool batch_presume(struct batch *batch);
void batch_decide(struct batch *batch);
/* Whether what was decided on a presumption may be written: every version that is assumed has an event that asserts it,
 * and no append is refused whose ids may be in the log already. */
bool batch_may_be_written(const struct batch *batch);
/* The versions of streams that are VERSION_COUNTED have been set to what was committed. `moved`: so far behind the
 * place that was decided on the events were written; then no id was looked up. */
void batch_settle(struct batch *batch, uint64_t moved, varve_time recorded_at);
/* Whether an append was found to be done already, by its ids or, as it seems, by its idempotency key. */
bool batch_has_repeats(const struct batch *batch);
/* Gives every append this outcome. */
void batch_refuse(struct batch *batch, const varve_error *error);
/* The same for those alone that were told a success, or would be. */
void batch_doubt(struct batch *batch, const varve_error *error);

#endif
