/* SPDX-License-Identifier: Apache-2.0 */
/* For the command side's tests: a bank whose accounts have a decider, on a store of its own (VARVE_TEST_STORE). */
#ifndef VARVE_COMMAND_BANK_FIXTURE_H
#define VARVE_COMMAND_BANK_FIXTURE_H

#include <pthread.h>

#include "command/lanes.h"
#include "store/access.h"
#ifdef VARVE_WITH_POSTGRES
#include "tests/support/postgres.h"
#endif

/*
 * Commands on "account-…": Deposit and Withdraw {"amount"}, DepositThrice {"amount"} (three events), Audit
 * (accepted without an event), and some that misbehave: Burn, EmitNonsense, EmitUnreadable (its event cannot be
 * applied), RejectBadly, ForgetError, Compete
 * (appends to the stream behind the engine's back, as long as `competitors` lasts, before it decides).
 */
extern const varve_decider bank_account;

/* Starts from {0}. Everything below the line is under the mutex. */
struct bank {
    char folder[64];
#ifdef VARVE_WITH_POSTGRES
    struct postgres postgres;
#endif
    bool in_a_file; /* the store is bank.db in the folder */
    varve_store *store;
    struct lanes *lanes;
    varve_decider account; /* bank_account, to be changed before bank_start … */
    size_t state_bytes;    /* … and so are these, of lanes_options */
    uint32_t retention_s;
    struct enrich_asks asks;
    const varve_decider *second; /* beside it, with the bank for its ctx; NULL: none */
    const struct upcasters *upcasters;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* ---- */
    unsigned competitors; /* appends that Compete still makes */
    unsigned decided;     /* calls of decide */
    unsigned evolved;     /* calls of evolve */
    unsigned times_seen;  /* calls of evolve with an occurred_at, which only some events are given */
    unsigned states;      /* states made and not released */
    unsigned workers;     /* workers opened and not closed */
    unsigned warnings;    /* lines logged */
    bool gate_closed;     /* decide waits until it is opened */
    bool at_the_gate;     /* a decide waits */
    bool looks_held;      /* encode waits until they are let go: without snapshots only looks encode */
    unsigned looks;       /* calls of encode */
    bool refuse_decode;
    bool is_full;     /* what a test's worker_is_full says */
    unsigned answers; /* commands answered through bank_send */
};

/* A store in a folder of its own and the decider ready to be changed. `queue_limit` is the store's; 0: its default. */
void bank_open(struct bank *bank, uint32_t queue_limit);
/* The same, always in a file: `driver` is SQLite's with functions of the test's. It lives until bank_close. */
void bank_open_in_a_file(struct bank *bank, const struct store_driver *driver, uint32_t queue_limit);
void bank_start(struct bank *bank, uint32_t workers, uint32_t queue_limit);
/* Closes the lanes, then the store, and checks that nothing is left over. */
void bank_close(struct bank *bank);

/* Sets something that is under the mutex, and wakes whoever waits for it. */
void bank_set(struct bank *bank, bool *what, bool value);
/* How many records a space has. */
unsigned bank_count_records(struct bank *bank, const char *space);
/* Reads the store's stream behind the engine's back. */
uint64_t bank_version(struct bank *bank, const char *stream);
/* Appends one Deposited event directly. */
void bank_deposit_directly(struct bank *bank, varve_str stream, int amount);

/* Executes and waits; the command is {type, stream, {"amount":amount}}. */
varve_status bank_execute(struct bank *bank, const char *type, const char *stream, int amount, varve_outcome *outcome,
                          varve_error *error);
/* Queues; counts its answer in `answers`. */
varve_status bank_send(struct bank *bank, const char *type, const char *stream, int amount);
void bank_wait_for(struct bank *bank, const unsigned *count, unsigned at_least);
int bank_balance(struct bank *bank, const char *stream);

/* What became of commands, in order: "v3" accepted, "no0" rejected, "again3" repeated, each with its version, else the
 * status. Starts from { .bank }; what follows is under the bank's mutex. */
struct bank_journal {
    struct bank *bank;
    unsigned answers;
    char text[1024];
};
/* A command's callback; `ctx` is a journal. */
void bank_write_down(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error);
/* Queues a command on account-1. `number`: of the command's id; 0: it has none. */
void bank_order(struct bank_journal *journal, const char *type, int amount, uint8_t number);
varve_uuid bank_id(uint8_t number);

/* Queues somebody else's event for account-1; while the store is held, for the same batch as what is sent next. */
void bank_deposit_soon(struct bank *bank, int amount);
/* Until so many appends are in the store, whose writer is held. */
void bank_wait_until_queued(struct bank *bank, uint64_t appends);

/* Holds the store's writer, so that appends stay in flight, until bank_resume_store. */
struct bank_stall {
    struct bank *bank;
    bool begun, over, resumed;
};
void bank_stall_store(struct bank *bank, struct bank_stall *stall);
void bank_resume_store(struct bank_stall *stall);

void bank_assert_text(varve_str actual, const char *expected);
/* The status, also in `error`, whose message contains `part`. */
void bank_assert_failure(varve_status actual, varve_status expected, const varve_error *error, const char *part);

#endif
