/* SPDX-License-Identifier: Apache-2.0 */
/* What passes through the store seam: where a log is, batches going down, pages of events coming up. */
#ifndef VARVE_STORE_WORK_H
#define VARVE_STORE_WORK_H

#include <varve/read.h>
#include <varve/upkeep.h>

#include "base/arena.h"
#include "base/log.h"

/* A driver's own handle on an open log. */
struct store_log;

/* The state of the log as the writer knows it. */
struct store_head {
    uint64_t position;
    varve_time recorded_at;
    uint64_t history; /* of which: counts the incarnations that the driver has seen; 0 where there is but one */
};

/* Who hears of what other processes do to a log. Called on a thread of the driver's, while the log is open. */
struct store_listener {
    void *ctx;
    /* The head is at least there; NULL: nobody listens. */
    void (*moved)(void *ctx, struct store_head head);
    /* The log is another history from now on; told before any head of it. Must not call the driver. */
    void (*renewed)(void *ctx, const char *incarnation, uint64_t history);
};

/* What a driver needs to know to open a log. Views live until open returns. */
struct store_location {
    const char *path; /* what follows the scheme in the URI */
    bool read_only;
    bool must_exist;
    varve_durability durability;
    uint32_t checkpoint_pages;
    struct store_listener told; /* drivers with STORE_MANY_WRITERS */
    struct log log;
};

/*
 * A record: what a module above the log keeps in the log's database, changed in the same transactions. `space` says
 * whose it is, `key` orders it there, `value` is JSON. Each write gives it a new revision, which only grows. */
struct store_record {
    varve_str space, key, value;
    uint64_t revision;
    varve_time expires_at; /* from then on it is as good as gone; 0: never */
};

/* What a write expects to find; otherwise it is refused: with CONFLICT, UNUSED (as NONE) with ID_CONFLICT. */
enum store_expectation { STORE_EXPECT_ANY, STORE_EXPECT_NONE, STORE_EXPECT_REVISION, STORE_EXPECT_UNUSED };

struct store_write {
    struct store_record record; /* its revision is set when it is written */
    enum store_expectation expect;
    uint64_t expected;     /* STORE_EXPECT_REVISION */
    varve_time expires_in; /* not 0: expires_at is this much after it is written, by the clock that judges it */
    bool remove;           /* takes the record away instead */
    bool only_check;       /* with NONE and UNUSED: looks, and writes nothing */
    uint64_t tried;        /* the driver's: the revision that an earlier try, of unknown outcome, gave it */
};

/* Which records are wanted: those of a space whose keys begin with `prefix` and come after `after`, in order. */
struct store_record_range {
    varve_str space, prefix, after;
    size_t limit; /* 0: all */
};

/* Called for each record, whose views are borrowed for the call; a positive return ends the visit. */
typedef varve_status (*store_record_visit)(void *ctx, const struct store_record *record);

/*
 * One append on its way through the writer. Events are complete and checked; their streams are
 * listed once each. The driver fills what stands below the line.
 */
struct store_append {
    const varve_event *events;
    size_t event_count;
    const uint32_t *event_stream; /* for each event, its place in `streams` */
    const varve_condition *conditions;
    size_t condition_count;
    const uint32_t *condition_stream; /* for each condition on a stream, its place in `streams` */
    bool ids_are_new;                 /* just made by us: no use looking for a repeat */
    const varve_uuid *absent_id;      /* of no event in the log, or ID_CONFLICT; without events only; NULL: none */
    struct store_write *writes;       /* records that change with it, or alone when there are no events */
    size_t write_count;
    const struct store_append *after; /* earlier in this batch: it is refused unless that one is OK; NULL: none */

    varve_stream_version *streams; /* in: names; out: each stream's version after the append */
    size_t stream_count;
    /* ---- */
    varve_status status; /* OK, REPEATED, CONFLICT, ID_CONFLICT, or why the append was refused */
    varve_error error;
    uint64_t first_position, last_position;
    varve_time recorded_at;
    varve_failed_condition *failed; /* room for condition_count; in order */
    size_t failed_count;
    size_t failed_write; /* with CONFLICT: which write did not find what it expects, from 1; 0: none */
};

/* A snapshot to be kept: its loss costs nothing. Older ones of its stream are kept thinly, for reading the past. */
struct store_snapshot {
    varve_str stream;
    uint64_t version;
    uint64_t state_version;
    varve_str state;
};

/* One transaction's worth of work, in order of arrival; snapshots live until the driver has tended the log. */
struct store_batch {
    struct store_append **appends;
    size_t append_count;
    const struct store_snapshot *snapshots;
    size_t snapshot_count;
    void (*meanwhile)(void *ctx); /* with STORE_LEAVES_TIME: called once, before anything is waited for */
    void *ctx;
    /* ---- */
    bool unreachable; /* the database could not be reached, for as long as the driver tries */
};

/* What one page of events is read by: the cursor's options (tags as `items`) and where it stands. */
struct store_read {
    const varve_read_options *options;
    uint64_t next_version;   /* a stream: the next version wanted (backward: counting down) */
    uint64_t after_position; /* the log: events after this position … */
    uint64_t until_position; /* … up to and including this one (never 0) */
    size_t event_limit;      /* events on the page at most, at least 1 */
    size_t byte_limit;       /* stop when this much is on the page; one event is always taken */
    size_t event_bytes;      /* an event's payload, about, by the page before; 0: not known */
};

/* A page of events, whose memory is the arena's. */
struct store_page {
    struct arena arena;
    varve_event *events;
    size_t count;
    size_t capacity;
    size_t bytes;     /* payload of the events */
    uint64_t scanned; /* the last position (a stream: version) looked at, matching or not; a stream: 0 when none was */
    bool more;        /* there may be more within the bounds of the read */
};

/* Counters since opening; see varve_engine_stats for their meaning. */
struct store_stats {
    uint64_t appends_accepted, appends_refused, events_appended, commits, queue_length;
    bool writable; /* false once the store stopped writing */
};

#endif
