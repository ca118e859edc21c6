/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/postgres/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* ---- sessions ---- */

PGconn *session_open(const char *uri)
{
    PGconn *session = PQconnectdb(uri);
    if (PQstatus(session) != CONNECTION_OK) give_up(uri, PQerrorMessage(session));
    return session;
}

int64_t session_ask(PGconn *session, const char *sql)
{
    PGresult *result = PQexec(session, sql);
    ExecStatusType what = PQresultStatus(result);
    if (what != PGRES_COMMAND_OK && what != PGRES_TUPLES_OK) give_up(sql, PQerrorMessage(session));
    int64_t number = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return number;
}

void session_await(PGconn *session, const char *sql, int64_t wanted)
{
    uint64_t end = clock_ns() + 60000000000ull;
    while (session_ask(session, sql) != wanted) {
        if (clock_ns() > end) give_up(sql, "does not come to be");
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    }
}

/* ---- servers ---- */

static void await_success(pid_t process, const char *what)
{
    int status = 0;
    if (waitpid(process, &status, 0) != process) give_up(what, "is gone");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) give_up(what, "failed");
}

/* What was started and not stopped, so that a test that gives up leaves nothing behind. */
static struct {
    char dirs[4][256];
    pid_t owner;
} started;

static void run_script(const char *verb, const char *dir, const char *more)
{
    pid_t process = fork();
    if (process < 0) give_up(verb, "no process");
    if (process == 0) {
        execl(POSTGRES_SCRIPT, POSTGRES_SCRIPT, verb, dir, more, (char *)NULL);
        _exit(127);
    }
    await_success(process, verb);
}

static void stop_all(void)
{
    if (started.owner != getpid()) return;
    for (size_t i = 0; i < sizeof started.dirs / sizeof started.dirs[0]; i++) {
        char dir[sizeof started.dirs[0]];
        memcpy(dir, started.dirs[i], sizeof dir);
        started.dirs[i][0] = '\0';
        if (dir[0] != '\0') run_script("stop", dir, NULL);
    }
}

static void note_started(const char *dir, bool runs)
{
    size_t free = SIZE_MAX;
    if (started.owner == 0) atexit(stop_all);
    started.owner = getpid();
    for (size_t i = 0; i < sizeof started.dirs / sizeof started.dirs[0]; i++) {
        if (strcmp(started.dirs[i], dir) == 0) started.dirs[i][0] = '\0';
        if (started.dirs[i][0] == '\0') free = i;
    }
    if (!runs) return;
    if (free == SIZE_MAX) give_up(dir, "a server too many");
    snprintf(started.dirs[free], sizeof started.dirs[free], "%s", dir);
}

void server_do(const char *verb, const char *dir, const char *more)
{
    if (strcmp(verb, "start") == 0 || strcmp(verb, "standby") == 0) note_started(dir, true);
    run_script(verb, dir, more);
    if (strcmp(verb, "stop") == 0) note_started(dir, false);
}

static void read_line(const char *folder, const char *name, char *line, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, (int)size, file) == NULL) give_up(path, "cannot be read");
    line[strcspn(line, "\n")] = '\0';
    fclose(file);
}

void server_uri(const char *dir, bool tcp, char *uri, size_t size)
{
    char place[256], port[16];
    if (!tcp) {
        read_line(dir, "uri", uri, size);
        return;
    }
    read_line(dir, "place", place, sizeof place);
    read_line(place, "port", port, sizeof port);
    snprintf(uri, size, "postgresql://varve@127.0.0.1:%s/postgres", port);
}

/* ---- processes ---- */

pid_t process_start(int (*work)(void *ctx), void *ctx)
{
    fflush(NULL);
    pid_t process = fork();
    if (process < 0) give_up("fork", "no process");
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* no client outlives a test that gives up */
        exit(work(ctx));
    }
    return process;
}

void process_end(pid_t process)
{
    await_success(process, "a client process");
}

void process_kill(pid_t process)
{
    int status = 0;
    kill(process, SIGKILL);
    if (waitpid(process, &status, 0) != process) give_up("a killed process", "is gone");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) give_up("a client process", "ended by itself");
}
