/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling events. Each action loads the member's state, decides, and writes it where it is still the same, together
 * with the consumer's lease and the record of what is parked; who was too slow decides again.
 */
#include <stdlib.h>

#include "event/codec.h"
#include "store/contend.h"
#include "store/pass.h"

enum kind { ACK, RETRY, PARK, UNPARK, SKIP };

struct settling {
    varve_store *store;
    const varve_subscription_action *action;
    enum kind kind;
    uint64_t *targets; /* ascending, each once */
    size_t target_count;

    /* Loaded anew for each try: */
    struct arena memory;
    struct subscription subscription;
    uint32_t number;
    struct member member;
    struct lease lease;
    varve_time now;
    uint64_t head;

    /* Decided: */
    varve_status outcome;
    bool changed;
    struct store_write writes[3]; /* the member, its lease, what is parked */
    size_t write_count;
};

static varve_status no_memory(varve_error *error)
{
    varve_error_set(error, VARVE_NOMEM, "no memory to settle events");
    return VARVE_NOMEM;
}

/* An earlier event stands in the way. */
static varve_status blocked(uint64_t position, uint64_t by, const char *why, varve_error *error)
{
    varve_error_set(error, VARVE_CONFLICT, "the event at position %llu waits for position %llu of its stream, which %s",
                    (unsigned long long)position, (unsigned long long)by, why);
    if (error != NULL) error->detail = (int64_t)by;
    return VARVE_CONFLICT;
}

/* The event is settled already, which is what acknowledging and skipping are for. */
static varve_status settled_before(const struct settling *settling, uint64_t position, varve_error *error)
{
    if (settling->kind == ACK || settling->kind == SKIP) return VARVE_OK;
    return varve_error_set(error, VARVE_CONFLICT, "the event at position %llu is settled",
                           (unsigned long long)position);
}

/* It is parked itself, or waits behind one that is. */
static varve_status parked_before(struct settling *settling, uint64_t position, uint64_t parked, varve_error *error)
{
    if (position != parked) return blocked(position, parked, "is parked", error);
    if (settling->kind == PARK) {
        settling->outcome = VARVE_REPEATED;
        return VARVE_OK;
    }
    varve_error_set(error, VARVE_CONFLICT, "the event at position %llu is parked: have it retried, or skip it",
                    (unsigned long long)position);
    if (error != NULL) error->detail = (int64_t)parked;
    return VARVE_CONFLICT;
}

/* ---- what becomes of one event ---- */

/* The hold of an event that failed once more; true when that was once too often. */
static bool fail_again(const struct settling *settling, const struct hold *before, uint64_t position, struct hold *hold)
{
    const varve_subscription_action *action = settling->action;
    uint32_t most = settling->subscription.definition.max_attempts;
    *hold = (struct hold){
        .position = position,
        .attempts = (before == NULL ? 0 : before->attempts) + 1,
        .not_before = settling->now + (varve_time)action->delay_ms * 1000,
        .reason = action->reason,
    };
    return most > 0 && hold->attempts >= most;
}

static varve_status park(struct settling *settling, const varve_event *event, uint32_t attempts, varve_error *error)
{
    const varve_subscription_action *action = settling->action;
    const varve_parked parked = {
        .member = settling->number,
        .stream = event->stream,
        .position = event->position,
        .version = event->version,
        .attempts = attempts,
        .parked_at = settling->now,
        .reason = action->reason,
        .actor = action->actor.len > 0 ? action->actor : action->consumer,
    };
    settling->member.parked++;
    settling->changed = true;
    return parked_put(&settling->subscription, &parked, 0, false, &settling->memory,
                      &settling->writes[settling->write_count++], error);
}

/* The next event of a stream that the subscription takes, from a version on; NULL when it has none up to the member's
 * position. Its stream is copied. */
static varve_status next_of_stream(struct settling *settling, varve_str stream, uint64_t version, struct unparked *next,
                                   bool *found, varve_error *error)
{
    const varve_subscription *own = &settling->subscription.definition;
    const varve_read_options options = {
        .stream = stream,
        .from_version = version,
        .types = own->types,
        .type_count = own->type_count,
        .tags = own->tags,
        .tag_count = own->tag_count,
        .limit = 1,
    };
    const varve_event *event = NULL;
    varve_cursor *cursor = NULL;
    varve_status status = varve_cursor_open(&cursor, settling->store, &options, error);
    if (status == VARVE_OK) status = varve_cursor_next(cursor, &event, error);
    *found = status == VARVE_OK && event->position <= settling->member.position;
    if (*found) *next = (struct unparked){ .next.position = event->position, .version = event->version };
    varve_cursor_close(cursor);
    if (*found && !arena_copy(&settling->memory, stream, &next->stream)) return no_memory(error);
    return status < 0 ? status : VARVE_OK;
}

/* The next event of a stream that is worked off. */
static varve_status settle_unparked(struct settling *settling, struct unparked *unparked, const varve_event *event,
                                    varve_error *error)
{
    struct member *member = &settling->member;
    struct hold hold;
    bool found = false;
    bool too_often = fail_again(settling, &unparked->next, event->position, &hold);
    settling->changed = true;
    if (settling->kind == RETRY && !too_often) {
        unparked->next = hold;
        return VARVE_OK;
    }
    if (settling->kind == RETRY || settling->kind == PARK) {
        if (settling->kind == RETRY) settling->outcome = VARVE_DONE;
        member_drop_unparked(member, unparked);
        return park(settling, event, hold.attempts, error);
    }
    struct unparked next = { 0 };
    varve_status status = next_of_stream(settling, event->stream, event->version + 1, &next, &found, error);
    if (status < 0) return status;
    if (found) {
        *unparked = next;
    } else {
        member_drop_unparked(member, unparked);
        member->uneven = settling->head;
    }
    return VARVE_OK;
}

/* A target up to the member's position: settled, parked, waiting behind what is parked, or worked off again. */
static varve_status settle_behind(struct settling *settling, uint64_t position, varve_error *error)
{
    varve_event event;
    varve_parked parked = { 0 };
    uint64_t revision = 0;
    struct member *member = &settling->member;
    if (member->parked == 0 && member->unparked_count == 0) return settled_before(settling, position, error);
    varve_status status =
        subscription_event_at(settling->store, &settling->subscription, position, &settling->memory, &event, error);
    if (status < 0) return status;
    struct unparked *unparked = member_unparked(member, event.stream);
    if (unparked != NULL && position == unparked->next.position)
        return settle_unparked(settling, unparked, &event, error);
    if (unparked != NULL && position > unparked->next.position)
        return blocked(position, unparked->next.position, "is not settled", error);
    if (unparked != NULL) return settled_before(settling, position, error);
    status = parked_look(settling->store, &settling->subscription, settling->number, event.stream, &settling->memory,
                         &parked, &revision, error);
    if (status < 0) return status;
    return revision > 0 && position >= parked.position ? parked_before(settling, position, parked.position, error)
                                                       : settled_before(settling, position, error);
}

/* An open event of the window that nothing stands in front of. `fresh` gets what is settled. */
static varve_status settle_open(struct settling *settling, struct pass *pass, uint64_t *fresh, size_t *fresh_count,
                                varve_error *error)
{
    struct member *member = &settling->member;
    uint64_t position = pass->event->position;
    struct hold hold;
    bool too_often = fail_again(settling, pass->hold, position, &hold);
    settling->changed = true;
    if (settling->kind == RETRY && !too_often) {
        member_add_hold(member, &hold);
        pass_leave(pass, true);
        return VARVE_OK;
    }
    bool was_held = pass->hold != NULL;
    member_drop_hold(member, position);
    pass_settle(pass);
    if (settling->kind == RETRY || settling->kind == PARK) {
        if (settling->kind == RETRY) settling->outcome = VARVE_DONE;
        return park(settling, pass->event, hold.attempts, error);
    }
    if (was_held) member->uneven = settling->head;
    fresh[(*fresh_count)++] = position;
    return VARVE_OK;
}

/* ---- the window ---- */

/* Is this one of the targets, of which `*at` is the next? */
static bool is_target(const struct settling *settling, uint64_t position, size_t *at)
{
    if (settling->target_count == 0) return position <= settling->action->through;
    while (*at < settling->target_count && settling->targets[*at] < position) (*at)++;
    return *at < settling->target_count && settling->targets[*at] == position;
}

static varve_status settle_in_pass(struct settling *settling, struct pass *pass, uint64_t *fresh, size_t *fresh_count,
                                   size_t *met, varve_error *error)
{
    size_t at = 0;
    varve_status status;
    while ((status = pass_next(pass, error)) == VARVE_OK) {
        uint64_t position = pass->event->position;
        bool target = is_target(settling, position, &at), named = target && settling->target_count > 0;
        *met += named ? 1 : 0;
        if (pass->standing == STANDING_SETTLED) {
            pass_settle(pass);
            if (named) status = settled_before(settling, position, error);
        } else if (pass->standing == STANDING_PARKED) {
            pass_settle(pass);
            if (named) status = parked_before(settling, position, pass_parked_from(pass), error);
        } else if (!target) {
            pass_leave(pass, true);
        } else if (pass->blocker > 0) {
            status = blocked(position, pass->blocker, "is not settled", error);
        } else {
            status = settle_open(settling, pass, fresh, fresh_count, error);
        }
        if (status < 0) return status;
    }
    return status < 0 ? status : VARVE_OK;
}

/* Moves the position over what is settled, and keeps what is settled beyond it. */
static void move_on(struct member *member, uint64_t position, const uint64_t *fresh, size_t fresh_count)
{
    size_t kept = 0;
    for (size_t i = 0; i < member->settled_count; i++)
        if (member->settled[i] > position) member->settled[kept++] = member->settled[i];
    member->settled_count = kept;
    for (size_t i = 0; i < fresh_count; i++)
        if (fresh[i] > position) member_add_settled(member, fresh[i]);
    member->position = position;
}

/* Settles the targets beyond the member's position, `named` of them (0: all through one). */
static varve_status settle_window(struct settling *settling, uint64_t until, size_t named, varve_error *error)
{
    struct member *member = &settling->member;
    struct pass pass = { 0 };
    size_t fresh_count = 0, met = 0;
    uint64_t last = member->settled_count == 0 ? 0 : member->settled[member->settled_count - 1];
    uint64_t *fresh = arena_array(&settling->memory, VARVE_SUBSCRIPTION_WINDOW, sizeof *fresh);
    if (fresh == NULL) return no_memory(error);
    varve_status status = pass_open(&pass, settling->store, &settling->subscription, settling->number, member,
                                    last > until ? last : until, &settling->memory, error);
    if (status >= 0) status = settle_in_pass(settling, &pass, fresh, &fresh_count, &met, error);
    uint64_t position = status >= 0 ? pass_position(&pass) : 0;
    bool beyond = status >= 0 && named == 0 && pass.full && pass.event->position < until;
    pass_close(&pass);
    if (beyond)
        status = varve_error_set(error, VARVE_CONFLICT,
                                 "position %llu lies beyond the %u events that are given out at a time",
                                 (unsigned long long)until, VARVE_SUBSCRIPTION_WINDOW);
    if (status >= 0 && met < named)
        status = varve_error_set(error, VARVE_INVALID,
                                 "%zu of the positions are no events of member %lu, or were not delivered", named - met,
                                 (unsigned long)settling->number);
    if (status < 0) return status;
    move_on(member, position, fresh, fresh_count);
    return VARVE_OK;
}

static varve_status settle_targets(struct settling *settling, varve_error *error)
{
    const struct member *member = &settling->member;
    uint64_t before = member->position;
    size_t behind = 0;
    varve_status status = VARVE_OK;
    while (status >= 0 && behind < settling->target_count && settling->targets[behind] <= before)
        status = settle_behind(settling, settling->targets[behind++], error);
    if (status < 0 || behind == settling->target_count) return status;
    uint64_t until = settling->targets[settling->target_count - 1];
    if (until > settling->head)
        return varve_error_set(error, VARVE_INVALID, "position %llu lies beyond the head", (unsigned long long)until);
    return settle_window(settling, until, settling->target_count - behind, error);
}

static varve_status settle_through(struct settling *settling, varve_error *error)
{
    const struct member *member = &settling->member;
    uint64_t through = settling->action->through;
    if (through > settling->head)
        return varve_error_set(error, VARVE_INVALID, "position %llu lies beyond the head", (unsigned long long)through);
    if (through <= member->position && member->unparked_count == 0) return VARVE_OK;
    if (member->unparked_count > 0 || member->position < member->uneven ||
        (member->held_count > 0 && member->held[0].position <= through))
        return varve_error_set(error, VARVE_CONFLICT,
                               "something up to position %llu was retried, unparked or skipped, so that it does not "
                               "tell what was delivered: acknowledge by positions",
                               (unsigned long long)through);
    return settle_window(settling, through, 0, error);
}

/* ---- what is parked ---- */

/* The stream of a parked event goes on: with that event, or behind it. */
static varve_status release(struct settling *settling, const varve_parked *parked, uint64_t revision,
                            varve_error *error)
{
    struct member *member = &settling->member;
    struct unparked next = {
        .next = { .position = parked->position, .attempts = parked->attempts, .reason = parked->reason },
        .stream = parked->stream,
        .version = parked->version
    };
    bool behind = parked->position <= member->position, found = behind;
    varve_status status = VARVE_OK;
    if (settling->kind == SKIP && behind)
        status = next_of_stream(settling, parked->stream, parked->version + 1, &next, &found, error);
    if (status < 0) return status;
    if (found && member->unparked_count >= VARVE_SUBSCRIPTION_UNPARKED)
        return varve_error_set(error, VARVE_BUSY, "%u streams of this member are being worked off: wait for them",
                               VARVE_SUBSCRIPTION_UNPARKED);
    if (found)
        member->unparked[member->unparked_count++] = next;
    else if (!behind && settling->kind == SKIP)
        member_add_settled(member, parked->position);
    else if (!behind)
        member_add_hold(member, &next.next);
    member->parked--;
    member->uneven = settling->head;
    settling->changed = true;
    return parked_put(&settling->subscription, parked, revision, true, &settling->memory,
                      &settling->writes[settling->write_count++], error);
}

static varve_status settle_parked(struct settling *settling, varve_error *error)
{
    varve_event event;
    varve_parked parked = { 0 };
    uint64_t position = settling->targets[0], revision = 0;
    varve_status status =
        subscription_event_at(settling->store, &settling->subscription, position, &settling->memory, &event, error);
    if (status >= 0)
        status = parked_look(settling->store, &settling->subscription, settling->number, event.stream,
                             &settling->memory, &parked, &revision, error);
    if (status < 0) return status;
    if (revision > 0 && parked.position == position) return release(settling, &parked, revision, error);
    if (settling->kind == SKIP) return settle_targets(settling, error);
    return varve_error_set(error, VARVE_NOT_FOUND, "the event at position %llu is not parked",
                           (unsigned long long)position);
}

/* ---- one try ---- */

/* Which member is meant: the one that is named, or the one whose event it is. */
static varve_status find_member(struct settling *settling, varve_error *error)
{
    const varve_subscription *own = &settling->subscription.definition;
    varve_event event;
    settling->number = settling->action->member;
    if (settling->number > own->members)
        return varve_error_set(error, VARVE_INVALID, "the subscription %.*s has %lu members", (int)own->name.len,
                               own->name.ptr, (unsigned long)own->members);
    if (settling->number > 0) return VARVE_OK;
    settling->number = 1;
    if (own->members == 1) return VARVE_OK;
    if (settling->target_count == 0)
        return varve_error_set(error, VARVE_INVALID, "the subscription %.*s has %lu members: name one",
                               (int)own->name.len, own->name.ptr, (unsigned long)own->members);
    varve_status status = subscription_event_at(settling->store, &settling->subscription, settling->targets[0],
                                                &settling->memory, &event, error);
    if (status >= 0) settling->number = subscription_member_of(&settling->subscription, event.stream);
    return status;
}

static varve_status check_consumer(const struct settling *settling, varve_error *error)
{
    varve_str consumer = settling->action->consumer, owner = settling->lease.owner;
    if (consumer.len == 0 || varve_str_eq(consumer, owner)) return VARVE_OK;
    return varve_error_set(error, VARVE_CONFLICT, "%.*s does not hold member %lu any more%s%.*s", (int)consumer.len,
                           consumer.ptr, (unsigned long)settling->number, owner.len > 0 ? ", which is held by " : "",
                           (int)owner.len, owner.ptr);
}

static varve_status load(struct settling *settling, varve_error *error)
{
    const varve_subscription_action *action = settling->action;
    arena_reset(&settling->memory);
    settling->outcome = VARVE_OK;
    settling->changed = false;
    settling->write_count = 0;
    varve_status status =
        subscription_load(settling->store, action->name, &settling->memory, &settling->subscription, error);
    if (status >= 0) status = subscription_check_history(settling->store, &settling->subscription, error);
    if (status >= 0) status = find_member(settling, error);
    if (status >= 0)
        status = subscription_look_lease(settling->store, &settling->subscription, settling->number, &settling->memory,
                                         &settling->lease, &settling->now, error);
    if (status >= 0) status = check_consumer(settling, error);
    if (status >= 0)
        status = subscription_load_member(settling->store, &settling->subscription, settling->number,
                                          VARVE_SUBSCRIPTION_WINDOW, &settling->memory, &settling->member,
                                          &settling->now, error);
    return status < 0 ? status : varve_store_head(settling->store, &settling->head, error);
}

static varve_status try_once(struct settling *settling, struct contention *contention, varve_error *error)
{
    varve_status status = load(settling, error);
    uint64_t before = settling->member.position;
    if (status < 0) return status;
    if (settling->kind == UNPARK || settling->kind == SKIP)
        status = settle_parked(settling, error);
    else
        status = settling->target_count > 0 ? settle_targets(settling, error) : settle_through(settling, error);
    if (status < 0 || (!settling->changed && settling->member.position == before)) return status;
    status = subscription_put_member(&settling->subscription, settling->number, &settling->member, &settling->memory,
                                     &settling->writes[settling->write_count++], error);
    if (status >= 0 && settling->action->consumer.len > 0)
        status = lease_fence(&settling->lease, settling->now, &settling->memory,
                             &settling->writes[settling->write_count++], error);
    return status < 0 ? status
                      : contend_write(contention, settling->store, settling->writes, settling->write_count, error);
}

/* ---- the actions ---- */

/* What does not apply is refused: only a retry has a delay, only what is retried or parked keeps why, the latter by
 * whom. */
static varve_status refuse_idle_fields(const varve_subscription_action *action, enum kind kind, varve_error *error)
{
    const char *field = action->delay_ms > 0 && kind != RETRY                     ? "delay_ms"
                        : action->reason.len > 0 && kind != RETRY && kind != PARK ? "reason"
                        : action->actor.len > 0 && kind != PARK                   ? "actor"
                                                                                  : NULL;
    return field == NULL ? VARVE_OK : varve_error_set(error, VARVE_INVALID, "\"%s\" means nothing here", field);
}

static varve_status check_action(varve_store *store, const varve_subscription_action *action, enum kind kind,
                                 varve_error *error)
{
    varve_status status = VARVE_OK;
    if (action->size != 0 && action->size != sizeof *action)
        return varve_error_set(error, VARVE_INVALID, "varve_subscription_action is of another version of the library");
    if (store_is_read_only(store)) return varve_error_set(error, VARVE_DENIED, "the store is open for reading only");
    if (action->consumer.len > 0 || kind == ACK || kind == RETRY)
        status = event_check_name(action->consumer, "the consumer", error);
    if (status >= 0) status = refuse_idle_fields(action, kind, error);
    if (status >= 0 && action->reason.len > 0) status = event_check_name(action->reason, "the reason", error);
    if (status >= 0 && action->actor.len > 0) status = event_check_name(action->actor, "the actor", error);
    if (status < 0) return status;
    bool through = kind == ACK && action->position_count == 0 && action->through > 0;
    bool positions = action->position_count > 0 && action->through == 0 && (kind == ACK || action->position_count == 1);
    if (!through && !positions)
        return varve_error_set(error, VARVE_INVALID,
                               kind == ACK ? "acknowledge either positions or all through one" : "give one position");
    if (action->position_count > VARVE_SUBSCRIPTION_LIMIT_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "at most %u events are acknowledged at once",
                               VARVE_SUBSCRIPTION_LIMIT_MAX);
    if (action->delay_ms > VARVE_SUBSCRIPTION_DELAY_MAX)
        return varve_error_set(error, VARVE_INVALID, "a retry waits %u ms at most", VARVE_SUBSCRIPTION_DELAY_MAX);
    return VARVE_OK;
}

static int compare_positions(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

static bool take_targets(struct settling *settling, struct arena *memory)
{
    size_t count = settling->action->position_count, kept = 0;
    uint64_t *targets = arena_array(memory, count + 1, sizeof *targets);
    if (targets == NULL) return false;
    for (size_t i = 0; i < count; i++) targets[i] = settling->action->positions[i];
    qsort(targets, count, sizeof *targets, compare_positions);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || targets[i] != targets[kept - 1]) targets[kept++] = targets[i];
    settling->targets = targets;
    settling->target_count = kept;
    return true;
}

static varve_status settle(varve_store *store, const varve_subscription_action *action, enum kind kind,
                           varve_error *error)
{
    struct settling settling = { .store = store, .action = action, .kind = kind };
    struct contention contention = { 0 };
    struct arena memory = { 0 };
    varve_status status = check_action(store, action, kind, error);
    if (status < 0) return status;
    if (!take_targets(&settling, &memory)) status = no_memory(error);
    if (status >= 0) {
        do {
            status = try_once(&settling, &contention, error);
        } while (status == VARVE_REPEATED);
    }
    arena_fini(&settling.memory);
    arena_fini(&memory);
    return status < 0 ? status : settling.outcome;
}

varve_status varve_subscription_ack(varve_store *store, const varve_subscription_action *action, varve_error *error)
{
    return settle(store, action, ACK, error);
}

varve_status varve_subscription_retry(varve_store *store, const varve_subscription_action *action, varve_error *error)
{
    return settle(store, action, RETRY, error);
}

varve_status varve_subscription_park(varve_store *store, const varve_subscription_action *action, varve_error *error)
{
    return settle(store, action, PARK, error);
}

varve_status varve_subscription_unpark(varve_store *store, const varve_subscription_action *action, varve_error *error)
{
    return settle(store, action, UNPARK, error);
}

varve_status varve_subscription_skip(varve_store *store, const varve_subscription_action *action, varve_error *error)
{
    return settle(store, action, SKIP, error);
}
