/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* Waiters woken under one hold of the mutex, which the writer needs too. */
enum { WOKEN_AT_ONCE = 32 };

void watch_init(struct watch *watch)
{
    *watch = (struct watch){ 0 };
    pthread_mutex_init(&watch->mutex, NULL);
    pthread_cond_init(&watch->moved, NULL);
}

void watch_fini(struct watch *watch)
{
    if (watch->has_thread) {
        pthread_mutex_lock(&watch->mutex);
        watch->closing = true;
        pthread_cond_signal(&watch->moved);
        pthread_mutex_unlock(&watch->mutex);
        pthread_join(watch->thread, NULL);
    }
    pthread_cond_destroy(&watch->moved);
    pthread_mutex_destroy(&watch->mutex);
}

struct store_head watch_head(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    struct store_head head = watch->head;
    pthread_mutex_unlock(&watch->mutex);
    return head;
}

static void unlink_waiter(struct waiter *waiter, struct watch *watch)
{
    if (!waiter->armed) return;
    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        watch->armed = waiter->next;
    if (waiter->next != NULL) waiter->next->previous = waiter->previous;
    waiter->armed = false;
}

/* The mutex is held. */
static void tell(struct watch *watch)
{
    watch->news++;
    if (watch->armed != NULL) pthread_cond_signal(&watch->moved);
}

void watch_move(struct watch *watch, struct store_head head)
{
    pthread_mutex_lock(&watch->mutex);
    if (head.history == watch->history && head.position > watch->head.position) {
        watch->head = head;
        tell(watch);
    }
    pthread_mutex_unlock(&watch->mutex);
}

void watch_renew(struct watch *watch, const char *incarnation, uint64_t history)
{
    pthread_mutex_lock(&watch->mutex);
    if (history >= watch->history && strcmp(watch->incarnation, incarnation) != 0) {
        snprintf(watch->incarnation, sizeof watch->incarnation, "%s", incarnation);
        watch->history = history;
        watch->head = (struct store_head){ .history = history }; /* it may have been rolled back */
        tell(watch);
    }
    pthread_mutex_unlock(&watch->mutex);
}

uint64_t watch_history(struct watch *watch, char incarnation[VARVE_UUID_TEXT_BYTES])
{
    pthread_mutex_lock(&watch->mutex);
    memcpy(incarnation, watch->incarnation, VARVE_UUID_TEXT_BYTES);
    uint64_t history = watch->history;
    pthread_mutex_unlock(&watch->mutex);
    return history;
}

static void *wake(void *argument)
{
    struct watch *watch = argument;
    pthread_mutex_lock(&watch->mutex);
    while (!watch->closing) {
        if (watch->armed == NULL || watch->woken == watch->news) {
            if (watch->armed == NULL) watch->woken = watch->news;
            pthread_cond_wait(&watch->moved, &watch->mutex);
            continue;
        }
        for (int i = 0; i < WOKEN_AT_ONCE && watch->armed != NULL; i++) {
            struct waiter *waiter = watch->armed;
            unlink_waiter(waiter, watch);
            eventfd_write(waiter->fd, 1); /* cannot fail: the counter was zero when it was armed */
        }
        pthread_mutex_unlock(&watch->mutex); /* let the writer in */
        pthread_mutex_lock(&watch->mutex);
    }
    pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

static varve_status start_thread(struct watch *watch, varve_error *error)
{
    int failed = 0;
    pthread_mutex_lock(&watch->mutex);
    if (!watch->has_thread) {
        failed = pthread_create(&watch->thread, NULL, wake, watch);
        watch->has_thread = failed == 0;
    }
    pthread_mutex_unlock(&watch->mutex);
    if (failed == 0) return VARVE_OK;
    return varve_error_set(error, VARVE_UNAVAILABLE, "no thread for subscriptions: %s", strerror(failed));
}

varve_status waiter_init(struct waiter *waiter, struct watch *watch, varve_error *error)
{
    varve_status status = start_thread(watch, error);
    if (status < 0) return status;
    *waiter = (struct waiter){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    if (waiter->fd >= 0) return VARVE_OK;
    return varve_error_set(error, VARVE_UNAVAILABLE, "no file descriptor for a subscription: %s", strerror(errno));
}

void waiter_fini(struct waiter *waiter, struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    unlink_waiter(waiter, watch);
    pthread_mutex_unlock(&watch->mutex);
    close(waiter->fd);
}

bool waiter_arm(struct waiter *waiter, struct watch *watch, uint64_t seen, uint64_t history)
{
    eventfd_t count;
    pthread_mutex_lock(&watch->mutex);
    bool behind = watch->head.position > seen || watch->history != history;
    if (!behind && !waiter->armed) {
        (void)eventfd_read(waiter->fd, &count);
        waiter->armed = true;
        waiter->previous = NULL;
        waiter->next = watch->armed;
        if (watch->armed != NULL) watch->armed->previous = waiter;
        watch->armed = waiter;
    }
    pthread_mutex_unlock(&watch->mutex);
    return !behind;
}

void waiter_wait(const struct waiter *waiter, uint32_t wait_ms)
{
    struct pollfd pollfd = { .fd = waiter->fd, .events = POLLIN };
    uint64_t end = clock_ns() + (uint64_t)wait_ms * 1000000u;
    for (uint64_t now = clock_ns(); now < end; now = clock_ns()) {
        int ms = (int)((end - now) / 1000000u) + 1;
        if (poll(&pollfd, 1, ms) != -1 || errno != EINTR) return;
    }
}
