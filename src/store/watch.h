/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of the log as this process knows it, and the cursors that wait for it to move. Each
 * waiter has an eventfd, so that a caller's event loop can wait for it too; only those that have
 * caught up are armed, so that a commit costs nothing for readers that are behind.
 */
#ifndef VARVE_STORE_WATCH_H
#define VARVE_STORE_WATCH_H

#include "store/store.h"

#include <pthread.h>

struct watch {
    pthread_mutex_t mutex;
    struct store_head head;
    struct waiter *armed; /* whom the next move of the head wakes */
};

struct waiter {
    int fd; /* an eventfd; readable once the head has moved since the waiter was armed */
    bool armed;
    struct waiter *next, *previous;
};

void watch_init(struct watch *watch, struct store_head head);
void watch_fini(struct watch *watch);

struct store_head watch_head(struct watch *watch);

/* Moves the head forward and wakes whoever is armed. */
void watch_publish(struct watch *watch, struct store_head head);

/* IO when the system has no descriptor left. */
varve_status waiter_init(struct waiter *waiter, varve_error *error);
void waiter_fini(struct waiter *waiter, struct watch *watch);

/* Clears the descriptor and arms the waiter; false, and not armed, when the head is beyond `seen` already. */
bool waiter_arm(struct waiter *waiter, struct watch *watch, uint64_t seen);

/* Waits until the descriptor is readable, `wait_ms` at most. */
void waiter_wait(const struct waiter *waiter, uint32_t wait_ms);

#endif
