/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/server.h"

#include <ctype.h>
#include <dirent.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/child.h"

struct server {
    char folder[PLACE_BYTES];
    char uri[SERVER_URI_BYTES / 2];
    char version[32];
    pid_t pid; /* of the postmaster */
};

/* ---- the script ---- */

static varve_status run_script(const char *verb, const char *folder, varve_error *error)
{
    static char synchronous[] = "synchronous_commit=on", flushed[] = "fsync=on", script[] = VARVE_BENCH_POSTGRES;
    char action[16], place[PLACE_BYTES], said[256] = "";
    pid_t pid = 0;
    FILE *output = NULL;
    bool starts = strcmp(verb, "start") == 0;
    snprintf(action, sizeof action, "%s", verb);
    snprintf(place, sizeof place, "%s", folder);
    char *arguments[] = { script, action, place, starts ? flushed : NULL, synchronous, NULL };
    varve_status status = child_start(arguments, STDERR_FILENO, &pid, &output, error);
    if (status < 0) return status;
    for (char line[256]; fgets(line, sizeof line, output) != NULL;) snprintf(said, sizeof said, "%s", line);
    fclose(output);
    if (child_wait(pid) == 0) return VARVE_OK;
    return varve_error_set(error, VARVE_UNAVAILABLE, "no PostgreSQL server: %.*s", (int)strcspn(said, "\n"), said);
}

static varve_status read_line(const char *folder, const char *name, char *line, int size, varve_error *error)
{
    char path[PLACE_BYTES];
    varve_status status = place_path(path, folder, name, error);
    FILE *file = status < 0 ? NULL : fopen(path, "r");
    if (file == NULL || fgets(line, size, file) == NULL)
        status = varve_error_set(error, VARVE_IO, "%s/%s cannot be read", folder, name);
    if (file != NULL) fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return status;
}

/* ---- what a client asks ---- */

static varve_status ask(const char *uri, const char *sql, char *answer, size_t size, varve_error *error)
{
    PGconn *connection = PQconnectdb(uri);
    PGresult *result = PQexec(connection, sql);
    ExecStatusType what = PQresultStatus(result);
    varve_status status = VARVE_OK;
    if (what != PGRES_COMMAND_OK && what != PGRES_TUPLES_OK)
        status = varve_error_set(error, VARVE_IO, "%s: %s", sql, PQerrorMessage(connection));
    else if (answer != NULL)
        snprintf(answer, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(connection);
    return status;
}

void server_uri(const struct server *server, const char *database, char uri[SERVER_URI_BYTES])
{
    snprintf(uri, SERVER_URI_BYTES, "%s&dbname=%.63s", server->uri, database);
}

varve_status server_exec(const struct server *server, const char *database, const char *sql, varve_error *error)
{
    char uri[SERVER_URI_BYTES];
    server_uri(server, database, uri);
    return ask(uri, sql, NULL, 0, error);
}

varve_status server_copy(const struct server *server, const char *original, const char *name, varve_error *error)
{
    char sql[256];
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    varve_status status = server_exec(server, "postgres", sql, error);
    if (original == NULL)
        snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    else
        snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy", name, original);
    if (status >= 0) status = server_exec(server, "postgres", sql, error);
    /* What the copy left to be written is not for the rows to wait for. */
    return status >= 0 ? server_exec(server, "postgres", "CHECKPOINT", error) : status;
}

const char *server_version(const struct server *server)
{
    return server->version;
}

/* ---- starting and stopping ---- */

static varve_status check_flush(struct server *server, varve_error *error)
{
    char place[PLACE_BYTES], settings[64], pid[32] = "";
    varve_status status = read_line(server->folder, "place", place, sizeof place, error);
    const char *kind = place_kind(place);
    if (status >= 0 && (strcmp(kind, "tmpfs") == 0 || strcmp(kind, "ramfs") == 0))
        status = varve_error_set(error, VARVE_DENIED, "%s is in memory (%s), where nothing is flushed", place, kind);
    if (status >= 0)
        status = ask(server->uri, "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit')",
                     settings, sizeof settings, error);
    if (status >= 0 && strcmp(settings, "on on") != 0)
        status = varve_error_set(error, VARVE_DENIED, "fsync and synchronous_commit are %s", settings);
    if (status >= 0) status = ask(server->uri, "SHOW server_version", server->version, sizeof server->version, error);
    if (status >= 0) /* its own process's parent is the postmaster */
        status = ask(server->uri, "SELECT (regexp_split_to_array(pg_read_file('postmaster.pid'), '\\n'))[1]", pid,
                     sizeof pid, error);
    server->pid = (pid_t)strtol(pid, NULL, 10);
    return status;
}

varve_status server_start(struct server **out, const char *folder, varve_error *error)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory");
    fprintf(stderr, "varve-bench: starting a PostgreSQL server\n");
    setenv("VARVE_MODULES", VARVE_BENCH_MODULES, 0);
    varve_status status = place_path(server->folder, folder, "postgres", error);
    if (status >= 0) status = run_script("start", server->folder, error);
    if (status >= 0) status = read_line(server->folder, "uri", server->uri, sizeof server->uri, error);
    if (status >= 0) status = check_flush(server, error);
    if (status < 0) {
        server_stop(server);
        return status;
    }
    *out = server;
    return VARVE_OK;
}

void server_stop(struct server *server)
{
    varve_error error = { 0 };
    if (server == NULL) return;
    if (run_script("stop", server->folder, &error) < 0) fprintf(stderr, "varve-bench: %s\n", error.message);
    free(server);
}

/* ---- processor time ---- */

/* Its own time and that of its children that have ended, in ticks; the parent's number. */
static double ticks_of(const char *pid, pid_t *parent)
{
    char path[64], line[1024] = "";
    unsigned long times[4] = { 0 };
    int ppid = 0;
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    const char *rest = fgets(line, sizeof line, file) == NULL ? NULL : strrchr(line, ')');
    fclose(file);
    if (rest == NULL || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &ppid,
                               &times[0], &times[1], &times[2], &times[3]) != 5)
        return 0;
    *parent = ppid;
    return (double)(times[0] + times[1] + times[2] + times[3]);
}

double server_cpu_us(const struct server *server)
{
    double ticks = 0;
    DIR *processes = opendir("/proc");
    for (const struct dirent *entry; processes != NULL && (entry = readdir(processes)) != NULL;) {
        pid_t parent = 0;
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        double one = ticks_of(entry->d_name, &parent);
        if (parent == server->pid || strtol(entry->d_name, NULL, 10) == server->pid) ticks += one;
    }
    if (processes != NULL) closedir(processes);
    return ticks * 1e6 / (double)sysconf(_SC_CLK_TCK);
}
