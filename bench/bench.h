/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A benchmark is a table of rows. A row measures one capability of varve beside its limit: the least
 * that has to be done for the same result on the same disk, in plain SQLite, libpq or HTTP.
 */
#ifndef VARVE_BENCH_BENCH_H
#define VARVE_BENCH_BENCH_H

#include "bench/corpus.h"
#include "bench/server.h"

/* What one timed run came to. */
struct sample {
    double units; /* events, or requests */
    double seconds;
    uint64_t p50_ns; /* of one call; 0: there are no calls to time */
    uint64_t p99_ns;
    double batch;        /* events a commit; 0: does not apply */
    double other_cpu_us; /* processor time that other processes spent on it */
};

/* What all rows share. */
struct bench {
    const char *folder; /* of its own, on the disk that is measured */
    struct corpus corpus;
    bool quick;
    uint64_t most_events;                             /* how far a log is grown */
    bool log_written;                                 /* the corpus, at bench_log */
    bool database_written;                            /* the same, at bench_database */
    bool replay_log_written, replay_database_written; /* what rows of replays read */
    struct server *server;                            /* PostgreSQL; NULL until it is first needed */
};

/*
 * Copies the log of the whole corpus, which is written when it is first asked for, to `name` in the
 * bench's folder. `path` is where it is then.
 */
varve_status bench_log(struct bench *bench, const char *name, char path[PLACE_BYTES], varve_error *error);

/* As bench_log: `name` becomes a copy of a database that has the log. Starts the server when that is not done yet. */
varve_status bench_database(struct bench *bench, const char *name, char uri[SERVER_URI_BYTES], varve_error *error);
/* Starts the server when that is not done yet. */
varve_status bench_server(struct bench *bench, varve_error *error);

/* VARVE_UNAVAILABLE once the bench was interrupted; what takes long asks now and then. */
varve_status bench_go_on(varve_error *error);

/*
 * `ours` and `limit` are called in turns and do the same work, each with files of its own; each call
 * is one sample. `open` is not timed; `close` is called when it succeeded.
 */
struct row {
    const char *name;
    const char *what;
    const char *unit;
    double floor; /* the ratio to reach; 0: none was set */
    varve_status (*open)(void **state, struct bench *bench, varve_error *error);
    varve_status (*ours)(void *state, struct sample *sample, varve_error *error);
    varve_status (*limit)(void *state, struct sample *sample, varve_error *error);
    void (*close)(void *state);
};

/* What is no rate beside a limit: prints a table of its own. */
struct report {
    const char *name;
    const char *what;
    varve_status (*run)(struct bench *bench, varve_error *error);
};

extern const struct row append_one, append_threads, append_callbacks, append_inline;
extern const struct row commands_threads, commands_callbacks, hot_aggregate;
extern const struct row read_log, fold_c, fold_lua, replay_c, replay_lua;
extern const struct row projection_catch_up, projection_in_c, projection_in_lua, projections_catch_up;
extern const struct row http_append;
extern const struct row pg_append_one, pg_append_16, pg_append_64, pg_append_256;
extern const struct row pg_append_three, pg_append_three_16, pg_append_three_85, pg_append_inline, pg_read_log;
extern const struct row pg_fold_c, pg_fold_lua, pg_replay_c, pg_replay_lua;
extern const struct report memory_report, growth_report, grid_report, condition_report, snapshots_report, models_report;

#endif
