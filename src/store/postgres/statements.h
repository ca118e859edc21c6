/* SPDX-License-Identifier: Apache-2.0 */
/* Every statement that the driver prepares. */
#ifndef VARVE_STORE_POSTGRES_STATEMENTS_H
#define VARVE_STORE_POSTGRES_STATEMENTS_H

enum statement {
    /* The writer's. */
    S_BEGIN,
    S_COMMIT,
    S_ROLLBACK,
    S_LOCK,          /* takes the order lock */
    S_ASSERT_HEAD,   /* (position): fails with STATE_STALE when the head is another */
    S_ASSERT_UNUSED, /* (position, spaces, keys): the same, or when there is such a record */
    S_NEWS,          /* (position, limit): position, stream, version and time of what came after */
    S_CLOCK,         /* the server's time */
    S_VERSIONS,      /* (names): each stream's version */
    S_IDS,           /* (ids): which of them are there, and where */
    S_LIMIT_QUERY,   /* each statement of this transaction is ended after a while */
    S_NEXT_MATCH,    /* (query, after): the first position that matches */
    S_LIMIT_NONE,    /* … not any more */
    S_FIND_RECORDS,  /* (spaces, keys): ordinal, revision, expiry, value */
    /* (least time, head, head to be asserted or NULL, fourteen arrays): gives position, version, recorded_at of each;
     * fails with STATE_STALE. What is presumed is NULL: nothing; -1: `version` is counted from the stream's; else the
     * version that the stream has. */
    S_ADD_EVENTS,
    S_LOAD_EVENTS,    /* (head, fourteen arrays, the last of them recorded_at) */
    S_ADD_TAGS,       /* (tags, positions) */
    S_PUT_RECORD,     /* (space, key, value, revision, expires_at, crc, known revision or NULL) */
    S_DROP_RECORD,    /* (space, key, known revision) */
    S_DROP_EXPIRED,   /* takes some away, but for those that somebody is about to change */
    S_NO_WAIT,        /* this transaction's commit does not wait for the disk */
    S_LIST_SNAPSHOTS, /* (stream) */
    S_ADD_SNAPSHOT,   /* (stream, version, state_version, state, crc) */
    S_DROP_SNAPSHOTS, /* (stream, versions) */
    S_WAIT_DURABLE,   /* writes to the write-ahead log, so that the commit waits for it to be safe */
    S_LOCK_HOLDER,    /* the process that holds the order lock */
    S_BEGIN_LOOK,     /* all that is looked up is of one moment */
    /* The readers'. */
    S_INCARNATION,
    S_HEAD,
    S_LOG, /* (after, until, limit): everything */
    /* (after, until, limit, types, categories, until_time) and … */
    S_LOG_FILTERED,    /* … nothing more: found by looking at each */
    S_LOG_CORRELATION, /* … correlation_id, query */
    S_LOG_TAG,         /* … tag */
    S_LOG_QUERY,       /* … query; what the other filters leave out is a row with its position alone */
    S_STREAM,          /* (stream, from, until, limit, types, query, until_occurred) */
    S_STREAM_BACKWARD, /* the same */
    S_EVENT,           /* (id) */
    S_TIME_AT,         /* (position): recorded_at */
    S_STREAM_VERSION,  /* (stream) */
    S_STREAMS,         /* (after, limit) */
    S_CATEGORY,        /* (after, limit, category) */
    S_VERSION_AT,      /* (stream, time) */
    S_SNAPSHOT,        /* (stream, state_version, max_version) */
    S_RECORDS,         /* (space, after, prefix, limit) */
    S_COUNT
};

/* SQLSTATEs of our own. */
#define STATE_STALE "VR001" /* it is not, or not any more, as it was decided on */

struct statement_text {
    const char *name, *sql;
};

extern const struct statement_text statements[S_COUNT];

#define EVENT_CONTENT                                                                                             \
    "e.stream, e.version, e.id, e.type, e.content_type, e.schema_version, e.tags, e.recorded_at, e.occurred_at, " \
    "e.data, e.body, e.metadata, e.crc"
#define EVENT_COLUMNS "e.position, " EVENT_CONTENT

#endif
