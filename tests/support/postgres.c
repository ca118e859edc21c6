/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/postgres.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/drivers.h"

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static struct driver find_drivers(void)
{
    struct driver driver = { 0 };
    const char *rest = NULL;
    varve_error error = { 0 };
    if (driver_find("postgresql://any", &driver, &rest, &error) < 0) give_up("postgres.so", error.message);
    return driver;
}

const struct sql_driver *postgres_sql(void)
{
    return find_drivers().sql;
}

const struct store_driver *postgres_store(void)
{
    return find_drivers().store;
}

static void find_server(struct postgres *postgres)
{
    const char *named = getenv("VARVE_TEST_POSTGRES");
    if (named == NULL) give_up("VARVE_TEST_POSTGRES", "not set: ctest sets it, and starts a server");
    if (strncmp(named, "postgres", strlen("postgres")) == 0) {
        snprintf(postgres->server, sizeof postgres->server, "%s", named);
        return;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/uri", named);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(postgres->server, sizeof postgres->server, file) == NULL) give_up(path, "no server runs");
    fclose(file);
    postgres->server[strcspn(postgres->server, "\n")] = '\0';
}

static void ignore_notice(void *ctx, const char *message)
{
    (void)ctx;
    (void)message;
}

/* Runs statements; the number that the last one comes to, 0 where it is none. */
static long long run(const char *uri, const char *script)
{
    long long number = 0;
    PGconn *connection = PQconnectdb(uri);
    if (PQstatus(connection) != CONNECTION_OK) give_up(uri, PQerrorMessage(connection));
    PQsetNoticeProcessor(connection, ignore_notice, NULL);
    PGresult *result = PQexec(connection, script);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) give_up(script, PQresultErrorMessage(result));
    if (status == PGRES_TUPLES_OK && PQntuples(result) > 0) number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    PQfinish(connection);
    return number;
}

void postgres_init(struct postgres *postgres)
{
    char script[128];
    unsigned long long random = 0;
    find_server(postgres);
    if (getrandom(&random, sizeof random, 0) != sizeof random) give_up("getrandom", "no random bytes");
    snprintf(postgres->database, sizeof postgres->database, "t_%016llx", random);
    snprintf(script, sizeof script, "CREATE DATABASE %s", postgres->database);
    run(postgres->server, script);
}

const char *postgres_uri(struct postgres *postgres, const char *schema)
{
    /* In a URI's parameters `dbname` is heard too, and the last one named counts. */
    int len = snprintf(postgres->uri, sizeof postgres->uri, "%s%cdbname=%s", postgres->server,
                       strchr(postgres->server, '?') == NULL ? '?' : '&', postgres->database);
    if (schema != NULL) len += snprintf(postgres->uri + len, sizeof postgres->uri - (size_t)len, "&schema=%s", schema);
    if ((size_t)len >= sizeof postgres->uri) give_up(postgres->server, "the URI is too long");
    return postgres->uri;
}

void postgres_exec(struct postgres *postgres, const char *script)
{
    run(postgres_uri(postgres, NULL), script);
}

long long postgres_number(struct postgres *postgres, const char *question)
{
    return run(postgres_uri(postgres, NULL), question);
}

void postgres_fini(struct postgres *postgres)
{
    char script[128];
    snprintf(script, sizeof script, "DROP DATABASE %s WITH (FORCE)", postgres->database);
    run(postgres->server, script);
}
