/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lua/projection.h"

enum { THREADS = 8 };

/* Every event counts once: `n` runs with the stream's version unless one is applied twice or lost. */
static const char projection[] =
    "-- @projection tally\n"
    "-- @version 1\n"
    "-- @create\n"
    "CREATE TABLE tally (stream TEXT PRIMARY KEY, n INTEGER NOT NULL, total INTEGER NOT NULL, last INTEGER NOT NULL);\n"
    "-- @on Counted\n"
    "INSERT INTO tally VALUES (:stream, 1, :data.amount, :version)\n"
    "ON CONFLICT (stream) DO UPDATE SET n = n + 1, total = total + excluded.total, last = excluded.last;\n";

/* The same in Lua, which reads what it wrote: adding to something stale shows too. */
static const char projection_lua[] =
    "return { name = 'tally_in_lua', version = 1, create = [[\n"
    "CREATE TABLE tally (stream TEXT PRIMARY KEY, n INTEGER NOT NULL, total INTEGER NOT NULL,\n"
    "  last INTEGER NOT NULL)]],\n"
    "on = { Counted = function(event, db)\n"
    "  local row = db.one('SELECT n, total FROM tally WHERE stream = :stream', { stream = event.stream })\n"
    "  db.run('INSERT OR REPLACE INTO tally VALUES (:stream, :n, :total, :last)', { stream = event.stream,\n"
    "    n = (row and row.n or 0) + 1, total = (row and row.total or 0) + event.data.amount, last = event.version })\n"
    "end } }\n";

static const char query[] = "-- @query tally\n"
                            "-- @reads tally, tally_in_lua\n"
                            "SELECT t.stream, t.n, t.total, t.last, l.n AS n_in_lua, l.total AS total_in_lua,"
                            " l.last AS last_in_lua FROM tally.tally t LEFT JOIN tally_in_lua.tally l"
                            " ON l.stream = t.stream ORDER BY t.stream\n";

static void print_line(void *ctx, varve_log_level level, const char *line)
{
    (void)ctx;
    if (level >= VARVE_LOG_WARNING) fprintf(stderr, "varve: %s\n", line);
}

varve_engine *open_engine(const char *path)
{
    static struct lua_projection *lua; /* of whichever engine there is */
    char uri[256];
    varve_engine *engine = NULL;
    varve_error error = { 0 };
    snprintf(uri, sizeof uri, "sqlite:%s", path);
    if (varve_engine_open(&engine, &(varve_engine_options){ .store = uri, .log = print_line }, &error) >= 0 &&
        varve_engine_add_projection(engine, "tally.sql", varve_str_of(projection), &error) >= 0 &&
        (lua != NULL || lua_projection_open(&lua, "tally.lua", varve_str_of(projection_lua), &error) >= 0) &&
        lua_projection_add(lua, engine, &error) >= 0 &&
        varve_engine_add_query(engine, "tally-query.sql", varve_str_of(query), &error) >= 0 &&
        varve_engine_start(engine, &error) >= 0)
        return engine;
    fprintf(stderr, "%s\n", error.message);
    varve_engine_close(engine);
    return NULL;
}

struct appender {
    pthread_t thread;
    varve_store *store;
    unsigned seed;
};

static bool tell(const varve_appended *appended)
{
    struct acknowledged lines[3];
    for (size_t i = 0; i < appended->id_count; i++)
        lines[i] = (struct acknowledged){ appended->ids[i], appended->first_position + i };
    size_t bytes = appended->id_count * sizeof lines[0]; /* less than PIPE_BUF: written whole or not at all */
    return write(STDOUT_FILENO, lines, bytes) == (ssize_t)bytes;
}

static void *append_forever(void *argument)
{
    struct appender *appender = argument;
    for (;;) {
        varve_event events[3];
        char names[3][16], data[3][32];
        varve_appended appended = { 0 };
        varve_error error = { 0 };
        size_t count = 1 + (size_t)rand_r(&appender->seed) % 3;
        for (size_t i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "s-%d", rand_r(&appender->seed) % STREAMS);
            snprintf(data[i], sizeof data[i], "{\"amount\":%d}", rand_r(&appender->seed) % 100);
            events[i] = (varve_event){ .stream = varve_str_of(names[i]),
                                       .type = VARVE_STR("Counted"),
                                       .data = varve_str_of(data[i]) };
        }
        const varve_append_request request = { .events = events, .event_count = count };
        if (varve_append(appender->store, &request, &appended, &error) < 0) {
            fprintf(stderr, "%s\n", error.message);
            exit(1);
        }
        bool told = tell(&appended);
        varve_appended_fini(&appended);
        if (!told) exit(1);
    }
}

int work(const char *path, unsigned seed)
{
    struct appender appenders[THREADS];
    varve_engine *engine = open_engine(path);
    if (engine == NULL) return 1;
    for (unsigned i = 0; i < THREADS; i++) {
        appenders[i] = (struct appender){ .store = varve_engine_store(engine), .seed = seed + i };
        if (pthread_create(&appenders[i].thread, NULL, append_forever, &appenders[i]) != 0) return 1;
    }
    pthread_join(appenders[0].thread, NULL);
    return 1;
}
