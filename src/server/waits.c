/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only the waiting thread takes a wait out of the list, after it is out of the epoll set; so an event that epoll
 * reports always belongs to one that is parked.
 */
#include "server/waits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

#define TICK_NS  10000000u      /* times are rounded up to this, so that the list is not walked for each of them */
#define NEVER_NS 3600000000000u /* how long the thread sleeps when nothing waits */

struct waits {
    struct workers *workers;
    unsigned limit;
    atomic_uint entered;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* guards everything below, and what is parked */
    struct wait *first;
    uint64_t due_ns; /* the earliest of them, at the latest */
    bool ending, closing;
};

varve_status waits_enter(struct waits *waits, varve_error *error)
{
    if (atomic_fetch_add(&waits->entered, 1) < waits->limit) return VARVE_OK;
    atomic_fetch_sub(&waits->entered, 1);
    return varve_error_set(error, VARVE_BUSY, "%u reads are under way or waiting already: try again later",
                           waits->limit);
}

void waits_leave(struct waits *waits)
{
    atomic_fetch_sub(&waits->entered, 1);
}

static void wake(struct waits *waits)
{
    uint64_t one = 1;
    ssize_t written = write(waits->wake_fd, &one, sizeof one);
    (void)written; /* fails only when the counter is full, and then the thread wakes too */
}

bool waits_park(struct waits *waits, struct wait *wait, int fd, uint64_t due_ns, struct job *job)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = wait };
    uint64_t due = (due_ns / TICK_NS + 1) * TICK_NS;
    *wait = (struct wait){ .job = job, .fd = fd, .due_ns = due };
    pthread_mutex_lock(&waits->lock);
    bool parked = !waits->ending && (fd < 0 || epoll_ctl(waits->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
    if (parked) {
        wait->next = waits->first;
        if (waits->first != NULL) waits->first->previous = wait;
        waits->first = wait;
    }
    bool earlier = parked && due < waits->due_ns;
    if (earlier) waits->due_ns = due;
    pthread_mutex_unlock(&waits->lock);
    if (earlier) wake(waits);
    return parked;
}

/* ---- the waiting thread ---- */

/* Under the lock. */
static void release(struct waits *waits, struct wait *wait)
{
    *(wait->previous == NULL ? &waits->first : &wait->previous->next) = wait->next;
    if (wait->next != NULL) wait->next->previous = wait->previous;
    if (wait->fd >= 0) epoll_ctl(waits->epoll_fd, EPOLL_CTL_DEL, wait->fd, NULL);
    workers_submit(waits->workers, wait->job);
}

/* Releases what is due, or everything, and finds out when that is to be done next. Under the lock. */
static void sweep(struct waits *waits, uint64_t now)
{
    struct wait *next = NULL;
    waits->due_ns = now + NEVER_NS;
    for (struct wait *wait = waits->first; wait != NULL; wait = next) {
        next = wait->next;
        if (waits->ending || wait->due_ns <= now)
            release(waits, wait);
        else if (wait->due_ns < waits->due_ns)
            waits->due_ns = wait->due_ns;
    }
}

static void *run(void *arg)
{
    struct waits *waits = arg;
    struct epoll_event events[64];
    bool closing = false;
    uint64_t due = 0;
    while (!closing) {
        uint64_t now = clock_ns();
        int count = epoll_wait(waits->epoll_fd, events, 64, due > now ? (int)((due - now) / 1000000u) + 1 : 0);
        pthread_mutex_lock(&waits->lock);
        for (int i = 0; i < count; i++) {
            uint64_t ignored;
            if (events[i].data.ptr != NULL)
                release(waits, events[i].data.ptr);
            else if (read(waits->wake_fd, &ignored, sizeof ignored) < 0)
                continue;
        }
        now = clock_ns();
        if (waits->ending || now >= waits->due_ns) sweep(waits, now);
        due = waits->due_ns;
        closing = waits->closing;
        pthread_mutex_unlock(&waits->lock);
    }
    return NULL;
}

varve_status waits_open(struct waits **opened, struct workers *workers, unsigned limit, varve_error *error)
{
    struct waits *waits = calloc(1, sizeof *waits);
    *opened = NULL;
    if (waits == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    waits->workers = workers;
    waits->limit = limit;
    waits->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    waits->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&waits->lock, NULL);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    bool ready = waits->epoll_fd >= 0 && waits->wake_fd >= 0 &&
                 epoll_ctl(waits->epoll_fd, EPOLL_CTL_ADD, waits->wake_fd, &event) == 0;
    waits->running = ready && pthread_create(&waits->thread, NULL, run, waits) == 0;
    if (!waits->running) {
        waits_close(waits);
        return varve_error_set(error, VARVE_UNAVAILABLE, "the server's waiting thread cannot be started");
    }
    *opened = waits;
    return VARVE_OK;
}

void waits_end(struct waits *waits)
{
    pthread_mutex_lock(&waits->lock);
    waits->ending = true;
    pthread_mutex_unlock(&waits->lock);
    wake(waits);
}

void waits_close(struct waits *waits)
{
    if (waits == NULL) return;
    if (waits->running) {
        pthread_mutex_lock(&waits->lock);
        waits->closing = true;
        pthread_mutex_unlock(&waits->lock);
        wake(waits);
        pthread_join(waits->thread, NULL);
    }
    if (waits->epoll_fd >= 0) close(waits->epoll_fd);
    if (waits->wake_fd >= 0) close(waits->wake_fd);
    pthread_mutex_destroy(&waits->lock);
    free(waits);
}
