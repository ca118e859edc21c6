/* SPDX-License-Identifier: Apache-2.0 */
/* What can be typed, and a command line read against it. The tables are in verbs.c. */
#ifndef VARVE_CLI_OPTIONS_H
#define VARVE_CLI_OPTIONS_H

#include <varve/command.h>
#include <varve/read.h>

#include "cli/option.h"
#include "cli/output.h"

/* What a verb works on; an option or environment variable of another kind does not apply to it. */
enum {
    USES_STORE = 1 << 0,  /* --store */
    USES_APP = 1 << 1,    /* --app */
    USES_SERVER = 1 << 2, /* --server in place of the two */
    USES_ANY = 1 << 3,    /* whatever of these is given, perhaps nothing */
    MAY_USE_APP = 1 << 4, /* --app, but not without need */
};

struct call;
struct verb {
    const char *noun;
    const char *name;      /* NULL: the noun is the whole command */
    const char *arguments; /* as help shows them; NULL: none */
    size_t arguments_min;
    size_t arguments_max;
    unsigned uses;
    uint64_t options; /* a bit for each, besides those that go with `uses` and those that every verb takes */
    varve_status (*run)(struct call *call, varve_error *error);
    const char *summary;
    const char *details; /* more sentences for its own help; NULL: none */
};

/* All verbs, ended by one without a noun. */
extern const struct verb verb_table[];

/* True when the verb takes the option. */
bool verb_takes(const struct verb *verb, enum option option);

/* The verb of that noun and name, both as in the table; NULL when there is none. */
const struct verb *verb_find(const char *noun, const char *name);

/*
 * Finds what to run for a first and second word; `name` may be NULL, or an argument of a noun that
 * has no verbs. VARVE_UNSUPPORTED: designed, but not built yet. VARVE_INVALID: it says what there is.
 */
varve_status verb_choose(const char *noun, const char *name, const struct verb **verb, varve_error *error);

struct given {
    enum option option;
    const char *value; /* "" for one without a value */
};

/* One command line, read. Texts are borrowed from argv and the environment. */
struct call {
    const struct verb *verb;
    const char **arguments;
    size_t argument_count;
    size_t skipped; /* words before the arguments in their array: noun and verb */
    struct given *given;
    size_t given_count;
    const char *store; /* where to work: `server`, or `store` and `app` */
    const char *app;
    const char *server;
    bool quiet;
    struct output output;
};

/*
 * Reads a command line into `call`, which starts from {0} and ends with call_fini whatever comes
 * back. VARVE_OK: run call->verb. VARVE_DONE: help was asked for and is printed. VARVE_INVALID: it
 * says what is wrong and where to find help. VARVE_UNSUPPORTED: designed, but not built yet.
 */
varve_status call_init(struct call *call, int argc, char **argv, varve_error *error);
void call_fini(struct call *call);

/* An option's value, "" for one without a value; NULL when it was not given. */
const char *call_option(const struct call *call, enum option option);
/* VARVE_INVALID unless there is an application to work with, the server's or one's own. */
varve_status call_needs_app(const struct call *call, varve_error *error);
/* The values of an option that may stand several times: how many, and each by index. */
size_t call_option_count(const struct call *call, enum option option);
const char *call_option_at(const struct call *call, enum option option, size_t index);
/* The same as a view; empty when it was not given. */
varve_str call_text(const struct call *call, enum option option);
/* A number; `*number` stays as it is when the option was not given. VARVE_INVALID names the option. */
varve_status call_number(const struct call *call, enum option option, uint64_t *number, varve_error *error);
/* A time as RFC 3339; "recorded" or "occurred": likewise. */
varve_status call_time(const struct call *call, enum option option, varve_time *time, varve_error *error);
varve_status call_clock(const struct call *call, varve_clock *clock, varve_error *error);

#endif
