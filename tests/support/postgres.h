/* SPDX-License-Identifier: Apache-2.0 */
/* A PostgreSQL database of its own for a test, on the server that ctest started; gone afterwards. */
#ifndef VARVE_TESTS_SUPPORT_POSTGRES_H
#define VARVE_TESTS_SUPPORT_POSTGRES_H

struct sql_driver;
struct store_driver;

/* The drivers in the module; the test program ends as failed when it cannot be opened. */
const struct sql_driver *postgres_sql(void);
const struct store_driver *postgres_store(void);

struct postgres {
    char database[32];
    char server[256]; /* the server's URI */
    char uri[320];    /* the latest postgres_uri */
};

/*
 * Makes an empty database on the server that VARVE_TEST_POSTGRES names: a URI, or the DIR of
 * tests/support/postgres. Without a server the test program ends as failed.
 */
void postgres_init(struct postgres *postgres);
/* The database's URI; with `schema=NAME` in it unless `schema` is NULL. Until the next call. */
const char *postgres_uri(struct postgres *postgres, const char *schema);
/* Runs statements in the database as its superuser; ends the test program when that fails. */
void postgres_exec(struct postgres *postgres, const char *script);
/* The number that a question comes to, in the first row's first column; ends the test program when there is none. */
long long postgres_number(struct postgres *postgres, const char *question);
/* Drops the database, whoever is connected to it. */
void postgres_fini(struct postgres *postgres);

#endif
