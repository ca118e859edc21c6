/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server in the test's own process, on a store in a folder of its own, with a small application:
 * category "tally", whose commands are Add {"amount":N} (1 to 100, or rejected as out_of_range) and
 * Stall (waits until fixture_release); projection "tallies" with the table totals(tally, total);
 * query "tally_total" by tally.
 */
#ifndef VARVE_TESTS_SCENARIO_HTTP_FIXTURE_H
#define VARVE_TESTS_SCENARIO_HTTP_FIXTURE_H

#include <varve.h>

#include "server/server.h"
#include "tests/support/scratch.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

#define FIXTURE_PAGE_POSITIONS 1000 /* the fixture's server_options.page_positions */

struct fixture {
    char uri[320]; /* the store's */
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
    bool on_postgres;
#endif
    struct scratch scratch;
    varve_engine *engine;
    struct server *server;
};

/* Starts it; ends the test program when that fails. `heartbeat_ms` as in server_options. */
void fixture_init(struct fixture *fixture, uint32_t heartbeat_ms);
void fixture_fini(struct fixture *fixture);
/*
 * A further server with options of its own, on the same engine unless they name another: close it with server_close.
 * The result is for what takes a fixture to send something to.
 */
struct fixture fixture_beside(const struct fixture *fixture, const struct server_options *options);
/* Lets every Stall go on, from now on. */
void fixture_release(void);
/* Makes Stall wait again. */
void fixture_hold(void);
/* Waits until a Stall has begun to wait. */
void fixture_await_stall(void);

/* An answer; start from {0}, end with reply_fini. */
struct reply {
    long status;
    varve_buf head, body;
};

void reply_fini(struct reply *reply);
/* The value of a header, until its line's end, or NULL when there is none. */
const char *reply_header(const struct reply *reply, const char *name);

/*
 * Sends one request. `headers` are lines separated by '\n' and may be NULL; `body` NULL sends none,
 * with one Content-Type is JSON unless the headers name another. Ends the test when there is no answer.
 */
void http_send(const struct fixture *fixture, const char *method, const char *path, const char *headers,
               const char *body, struct reply *reply);

/* Sends a request and checks status and body; `body` ending in "…" is compared up to there. */
void http_expect(const struct fixture *fixture, const char *method, const char *path, const char *headers,
                 const char *sent, long status, const char *body);

/* A connection of one's own, for what no client library would send. Ends the test when it fails. */
int wire_open(const struct fixture *fixture);
void wire_send(int fd, const char *bytes);
/* Reads into `text` until it contains `what`. False when the connection ends first; 20 s of silence end the test. */
bool wire_until(int fd, varve_buf *text, const char *what);
/* Returns once a server that is being closed refuses what is new, which has to be before it ends: hold it. */
void wire_await_refusal(const struct fixture *closing);
/* Reads to the end of the connection. */
void wire_rest(int fd, varve_buf *text);

#endif
