/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of the log as this process knows it, and the cursors that wait for it to move. Each
 * waiter has an eventfd, so that a caller's event loop can wait for it too. Only those that have
 * caught up are armed, and a thread of its own wakes them, so that a commit does not wait for a
 * thousand system calls.
 */
#ifndef VARVE_STORE_WATCH_H
#define VARVE_STORE_WATCH_H

#include "store/store.h"

#include <pthread.h>

struct watch {
    pthread_mutex_t mutex;
    struct store_head head;
    char incarnation[VARVE_UUID_TEXT_BYTES]; /* of the log */
    uint64_t history;                        /* its number (struct store_head) */
    struct waiter *armed;                    /* whom the next news wakes */
    uint64_t news, woken;                    /* how often there was some, and for which of it everybody was woken */
    pthread_cond_t moved;                    /* the waking thread waits here */
    pthread_t thread;                        /* started for the first waiter */
    bool has_thread;
    bool closing;
};

struct waiter {
    int fd; /* an eventfd; readable once the head has moved since the waiter was armed */
    bool armed;
    struct waiter *next, *previous;
};

void watch_init(struct watch *watch);
void watch_fini(struct watch *watch);

struct store_head watch_head(struct watch *watch);

/* Moves the head forward, never back, and has whoever is armed woken. A head of another history is none. */
void watch_move(struct watch *watch, struct store_head head);

/* The log is of this incarnation. When it was another one, whoever is armed is woken: positions mean something else.
 * What is older than the latest is ignored. */
void watch_renew(struct watch *watch, const char *incarnation, uint64_t history);

/* Copies the incarnation and gives its number. */
uint64_t watch_history(struct watch *watch, char incarnation[VARVE_UUID_TEXT_BYTES]);

/* UNAVAILABLE when the system has no descriptor or thread left. */
varve_status waiter_init(struct waiter *waiter, struct watch *watch, varve_error *error);
void waiter_fini(struct waiter *waiter, struct watch *watch);

/* Clears the descriptor and arms the waiter; false, and not armed, when the head is beyond `seen` already, or the
 * history is another. */
bool waiter_arm(struct waiter *waiter, struct watch *watch, uint64_t seen, uint64_t history);

/* Waits until the descriptor is readable, `wait_ms` at most. */
void waiter_wait(const struct waiter *waiter, uint32_t wait_ms);

#endif
