/* SPDX-License-Identifier: Apache-2.0 */
#include "command/turns.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"

enum { QUEUES = 1024 };

struct turns {
    pthread_mutex_t mutex;
    struct {
        struct turn *first, *last; /* the first one has its turn */
    } queues[QUEUES];
};

struct turns *turns_open(void)
{
    struct turns *turns = calloc(1, sizeof *turns);
    if (turns != NULL) pthread_mutex_init(&turns->mutex, NULL);
    return turns;
}

bool turns_take(struct turns *turns, struct turn *turn, uint64_t query)
{
    ASSERT(!turn->is_asked);
    turn->is_asked = true;
    turn->next = NULL;
    turn->queue = query % QUEUES;
    pthread_mutex_lock(&turns->mutex);
    struct turn **first = &turns->queues[turn->queue].first, **last = &turns->queues[turn->queue].last;
    bool is_first = *first == NULL;
    turn->has_it = is_first;
    *(is_first ? first : &(*last)->next) = turn;
    *last = turn;
    pthread_mutex_unlock(&turns->mutex);
    return is_first;
}

void turns_give_back(struct turns *turns, struct turn *turn)
{
    if (!turn->is_asked) return;
    pthread_mutex_lock(&turns->mutex);
    ASSERT(turns->queues[turn->queue].first == turn && turn->has_it);
    struct turn *next = turns->queues[turn->queue].first = turn->next;
    if (next != NULL) next->has_it = true;
    pthread_mutex_unlock(&turns->mutex);
    turn->is_asked = turn->has_it = false;
    if (next != NULL) next->called(next);
}

void turns_close(struct turns *turns)
{
    if (turns == NULL) return;
    for (size_t i = 0; i < QUEUES; i++) ASSERT(turns->queues[i].first == NULL);
    pthread_mutex_destroy(&turns->mutex);
    free(turns);
}
