/* SPDX-License-Identifier: Apache-2.0 */
#include "store/share.h"

#include <stdlib.h>

#include "base/assert.h"

enum part_state { PART_IS_READ, PART_IS_THERE, PART_FAILED };

struct share_part {
    struct share_part *older;
    enum part_state state;
    size_t users; /* who reads it, waits for it or goes through it */
    uint64_t history;
    uint64_t after; /* its events come after this position … */
    uint64_t until; /* … up to this one; while it is being read, at most */
    struct store_page page;
};

void share_init(struct share *share)
{
    *share = (struct share){ 0 };
    pthread_mutex_init(&share->mutex, NULL);
    pthread_cond_init(&share->over, NULL);
}

static void part_free(struct share_part *part)
{
    arena_fini(&part->page.arena);
    free(part);
}

void share_fini(struct share *share)
{
    ASSERT(share->members == NULL);
    for (struct share_part *part = share->newest, *older; part != NULL; part = older) {
        older = part->older;
        part_free(part);
    }
    pthread_cond_destroy(&share->over);
    pthread_mutex_destroy(&share->mutex);
}

void share_join(struct share *share, struct share_member *member)
{
    pthread_mutex_lock(&share->mutex);
    member->next = share->members;
    share->members = member;
    pthread_mutex_unlock(&share->mutex);
}

void share_leave(struct share *share, struct share_member *member)
{
    pthread_mutex_lock(&share->mutex);
    struct share_member **at = &share->members;
    while (*at != member) at = &(*at)->next;
    *at = member->next;
    pthread_mutex_unlock(&share->mutex);
}

/* ---- under the mutex ---- */

static struct share_part *find(const struct share *share, uint64_t history, uint64_t position)
{
    struct share_part *part = share->newest;
    while (part != NULL && (part->state == PART_FAILED || part->history != history || part->after > position ||
                            part->until <= position))
        part = part->older;
    return part;
}

/* Where another one is was noted when it came for its part, so it may be a part further. */
static bool has_company(const struct share *share, const struct share_member *member)
{
    const struct share_member *other = share->members;
    for (; other != NULL; other = other->next) {
        uint64_t apart = other->position > member->position ? other->position - member->position
                                                            : member->position - other->position;
        if (other != member && apart <= SHARE_COMPANY_EVENTS) return true;
    }
    return false;
}

/* Lets go of what is more than is kept, the oldest first. */
static void thin_out(struct share *share)
{
    size_t kept = 0;
    for (struct share_part **at = &share->newest; *at != NULL;) {
        struct share_part *part = *at;
        bool is_surplus = part->state == PART_FAILED || ++kept > SHARE_PARTS;
        if (is_surplus && part->users == 0) {
            *at = part->older;
            part_free(part);
        } else {
            at = &part->older;
        }
    }
}

static struct share_part *begin(struct share *share, uint64_t history, const struct store_read *read)
{
    struct share_part *part = calloc(1, sizeof *part);
    if (part == NULL) return NULL;
    part->history = history;
    part->after = read->after_position;
    part->until = read->until_position;
    part->older = share->newest;
    share->newest = part;
    return part;
}

/*
 * The part that the member is to go through, counted as used: PART_IS_THERE, or PART_IS_READ when the member has to
 * read it. NULL: it has to read by itself.
 */
static struct share_part *take(struct share *share, struct share_member *member, uint64_t history,
                               const struct store_read *read)
{
    uint64_t position = member->position = read->after_position;
    struct share_part *part = find(share, history, position);
    if (part == NULL) {
        part = has_company(share, member) ? begin(share, history, read) : NULL;
        if (part != NULL) part->users++;
        return part;
    }
    part->users++;
    while (part->state == PART_IS_READ) pthread_cond_wait(&share->over, &share->mutex);
    if (part->state == PART_IS_THERE && part->until > position) {
        share->parts_found++;
        return part;
    }
    part->users--; /* it could not be read, or not that far */
    return NULL;
}

/* ---- reading ---- */

static varve_status read_part(struct share_part *part, const struct share_source *source, size_t event_bytes,
                              varve_error *error)
{
    static const varve_read_options everything;
    const struct store_read read = {
        .options = &everything,
        .after_position = part->after,
        .until_position = part->until,
        .event_limit = SHARE_PART_EVENTS,
        .byte_limit = SHARE_PART_BYTES,
        .event_bytes = event_bytes,
    };
    part->page.scanned = part->after;
    return source->driver->read(source->log, &read, &part->page, error);
}

static void end(struct share *share, struct share_part *part, varve_status status)
{
    pthread_mutex_lock(&share->mutex);
    part->until = part->page.scanned;
    part->state = status >= 0 && part->until > part->after ? PART_IS_THERE : PART_FAILED;
    share->parts_read++;
    pthread_cond_broadcast(&share->over);
    pthread_mutex_unlock(&share->mutex);
}

varve_status share_read(struct share *share, struct share_member *member, const struct share_source *source,
                        const struct store_read *read, struct share_part **part, varve_error *error)
{
    varve_status status = VARVE_OK;
    pthread_mutex_lock(&share->mutex);
    struct share_part *taken = take(share, member, source->history, read);
    bool is_ours = taken != NULL && taken->state == PART_IS_READ;
    pthread_mutex_unlock(&share->mutex);
    if (is_ours) {
        status = read_part(taken, source, read->event_bytes, error);
        end(share, taken, status);
    }
    bool is_there = taken != NULL && taken->state == PART_IS_THERE;
    *part = is_there ? taken : NULL;
    if (is_there) return VARVE_OK;
    share_give_back(share, taken);
    return status < 0 ? status : VARVE_DONE;
}

const struct store_page *share_page(const struct share_part *part)
{
    return &part->page;
}

void share_give_back(struct share *share, struct share_part *part)
{
    if (part == NULL) return;
    pthread_mutex_lock(&share->mutex);
    part->users--;
    thin_out(share);
    pthread_mutex_unlock(&share->mutex);
}
