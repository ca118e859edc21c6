/* SPDX-License-Identifier: Apache-2.0 */
#include "command/scheduler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/attempt.h"
#include "command/scheduled.h"
#include "store/lease.h"

#define WINDOW    32u
#define BYTES_MAX (8u << 20)
#define SECOND    ((varve_time)1000000)
#define LOOK_US   SECOND /* what other processes schedule is noticed by then */
#define LEASE_MS  10000u
#define REST_NS   UINT64_C(2000000000) /* others look each second */

enum phase {
    FREE,
    CHOSEN,    /* due, and to be marked as running */
    UNDER_WAY, /* on the lanes */
    OVER,      /* answered, and to be taken down */
};

/* A command under way. A lane's thread fills what stands below the line, once; then it is the scheduler's again. */
struct slot {
    struct scheduler *scheduler;
    enum phase phase;
    struct arena memory;
    varve_scheduled scheduled; /* as it is in the store, once it is marked */
    uint64_t revision;
    bool was_running;    /* when it was loaded: an earlier attempt may have taken effect */
    bool is_interrupted; /* the attempt is an earlier process's, which ended before it did */
    bool is_not_found;   /* in the log: it has been looked for */
    /* ---- */
    varve_status status;
    varve_error error;
    varve_buf code, message;
};

struct scheduler {
    varve_store *store;
    struct lanes *lanes;
    struct log log;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping, woken; /* under the mutex, as the slots' phases */
    struct slot slots[WINDOW];
    atomic_uint_fast64_t executed, rejected, failed, retries, running;
    /* The thread's own. */
    varve_time store_now; /* when it was last looked at … */
    uint64_t looked_ns;   /* … by our clock */
    struct scheduled_scan scan;
    bool shared, held;                  /* several processes may write the store; the lease is ours */
    uint64_t keep_ns, held_ns, rest_ns; /* to be kept from then on; taken; others' turn until then */
    bool has_told;                      /* of a record that cannot be read */
    struct lease lease, wanted;
    struct arena lease_memory;
    char owner[128];
};

/* ---- the lease ---- */

/* HOST/PROCESS/TOKEN: a process id can be another's later, and on another machine. */
static void name_owner(struct scheduler *scheduler)
{
    char host[65] = "", token[VARVE_UUID_TEXT_BYTES];
    if (gethostname(host, sizeof host - 1) < 0) snprintf(host, sizeof host, "unknown");
    varve_uuid_format(varve_uuid_new(), token);
    snprintf(scheduler->owner, sizeof scheduler->owner, "%s/%ld/%s", host, (long)getpid(), token + 24);
    scheduler->wanted.name = VARVE_STR("scheduled commands");
    scheduler->wanted.owner = varve_str_of(scheduler->owner);
}

/* Takes or keeps the lease. LOCKED: another process executes what is due. */
static varve_status hold(struct scheduler *scheduler, varve_error *error)
{
    struct lease previous;
    if (!scheduler->shared || (scheduler->held && clock_ns() < scheduler->keep_ns)) return VARVE_OK;
    if (!scheduler->held) scheduler->held_ns = clock_ns();
    arena_reset(&scheduler->lease_memory);
    varve_status status =
        lease_take(scheduler->store, &scheduler->wanted, &scheduler->lease_memory, &scheduler->lease, &previous, error);
    scheduler->held = status >= 0;
    scheduler->keep_ns = clock_ns() + (uint64_t)scheduler->wanted.duration_ms * 1000000u / 3;
    return status;
}

static void let_go(struct scheduler *scheduler)
{
    if (scheduler->held) lease_drop(scheduler->store, &scheduler->lease, &scheduler->lease_memory, NULL);
    scheduler->held = false;
}

/* ---- what became of a command ---- */

static varve_time time_now(const struct scheduler *scheduler)
{
    return scheduler->store_now + (varve_time)((clock_ns() - scheduler->looked_ns) / 1000);
}

static void keep_reason(const struct slot *slot, varve_scheduled *after)
{
    after->code = varve_str_of(varve_status_word(slot->status));
    after->message = varve_str_of(slot->error.message);
}

static enum attempt_verdict judge_attempt(const struct slot *slot, varve_time *delay_us)
{
    const struct attempt attempt = {
        .command = &slot->scheduled.command,
        .status = slot->status,
        .current_version = slot->error.detail,
        .number = slot->scheduled.attempts,
        .interrupted = slot->is_interrupted ? slot->scheduled.interrupted + 1 : 0,
    };
    return attempt_judge(&attempt, delay_us);
}

/* What the store is to have of it now; NULL: nothing. */
static varve_scheduled *judge(const struct scheduler *scheduler, const struct slot *slot, varve_scheduled *after)
{
    varve_time delay_us = 0;
    enum attempt_verdict verdict = judge_attempt(slot, &delay_us);
    *after = slot->scheduled;
    after->interrupted = slot->is_interrupted ? slot->scheduled.interrupted + 1 : 0;
    if (verdict == ATTEMPT_DONE) return NULL;
    if (verdict == ATTEMPT_REJECTED) {
        after->state = VARVE_SCHEDULED_REJECTED;
        after->code = varve_buf_view(&slot->code);
        after->message = varve_buf_view(&slot->message);
        return after;
    }
    keep_reason(slot, after);
    if (verdict == ATTEMPT_FAILED) {
        after->state = VARVE_SCHEDULED_FAILED;
        return after;
    }
    if (verdict == ATTEMPT_NONE) after->attempts--;
    if (verdict != ATTEMPT_PERHAPS_AGAIN && !slot->was_running)
        after->state = VARVE_SCHEDULED_WAITING; /* this attempt says nothing of an earlier one */
    varve_time next_at = time_now(scheduler) + delay_us;
    after->next_at = next_at > after->next_at ? next_at : after->next_at + 1; /* the clock may have gone back */
    return after;
}

static void warn(const struct scheduler *scheduler, const struct slot *slot, const char *what)
{
    const varve_command *command = &slot->scheduled.command;
    char id[VARVE_UUID_TEXT_BYTES];
    varve_uuid_format(command->id, id);
    log_line(&scheduler->log, VARVE_LOG_WARNING, "the scheduled command %s (%.*s on %.*s) %s: %s", id,
             (int)command->type.len, command->type.ptr, (int)command->stream.len, command->stream.ptr, what,
             slot->error.message);
}

/* Of a slot that is as the store has it by now. */
static void tell(struct scheduler *scheduler, const struct slot *slot)
{
    varve_time delay_us = 0;
    switch (judge_attempt(slot, &delay_us)) {
    case ATTEMPT_DONE:
        scheduler->executed++;
        break;
    case ATTEMPT_REJECTED:
        scheduler->rejected++;
        break;
    case ATTEMPT_FAILED:
        scheduler->failed++;
        warn(scheduler, slot, "failed for good");
        break;
    default:
        scheduler->retries++;
        if (slot->is_interrupted) warn(scheduler, slot, "is executed again");
        break;
    }
}

static void set_phase(struct slot *slot, enum phase phase)
{
    struct scheduler *scheduler = slot->scheduler;
    pthread_mutex_lock(&scheduler->mutex);
    scheduler->running += (phase == UNDER_WAY) - (slot->phase == UNDER_WAY);
    slot->phase = phase;
    pthread_cond_signal(&scheduler->changed);
    pthread_mutex_unlock(&scheduler->mutex);
}

/* A lane's thread, as a command's callback. */
static void answered(void *ctx, varve_status status, const varve_outcome *outcome, const varve_error *error)
{
    struct slot *slot = ctx;
    slot->status = status;
    slot->error = *error;
    if (status == VARVE_REJECTED) {
        varve_buf_str(&slot->code, outcome->code);
        varve_buf_str(&slot->message, outcome->message);
        if (slot->code.failed || slot->message.failed)
            slot->status = varve_error_set(&slot->error, VARVE_NOMEM, "no memory for the reason of a rejection");
    }
    set_phase(slot, OVER);
}

/* The phases are only set by others while a slot is under way. */
static enum phase phase_of(struct scheduler *scheduler, const struct slot *slot)
{
    pthread_mutex_lock(&scheduler->mutex);
    enum phase phase = slot->phase;
    pthread_mutex_unlock(&scheduler->mutex);
    return phase;
}

/* ---- changes of several, in one flush ---- */

/* How slots are changed together: what is to become of each. */
typedef varve_scheduled *(*slot_after)(const struct scheduler *scheduler, const struct slot *slot,
                                       varve_scheduled *after);

struct change {
    struct arena memory;
    struct store_write writes[WINDOW * SCHEDULED_WRITES_MAX];
    size_t count;
};

static varve_status add_change(struct scheduler *scheduler, struct slot *slot, slot_after becomes,
                               struct change *change, varve_error *error)
{
    varve_scheduled after;
    size_t count = 0;
    varve_status status = scheduled_change(&slot->scheduled, slot->revision, becomes(scheduler, slot, &after),
                                           &change->memory, change->writes + change->count, &count, error);
    change->count += count;
    return status;
}

/* Writes the slots, each of which gets a new revision, its first write's. CONFLICT: one is another's by now. */
static varve_status write_slots(struct scheduler *scheduler, struct slot *const *slots, size_t count,
                                slot_after becomes, varve_error *error)
{
    struct change *change = calloc(1, sizeof *change);
    size_t firsts[WINDOW], failed = 0;
    if (change == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for scheduled commands");
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count && status >= 0; i++) {
        firsts[i] = change->count;
        status = add_change(scheduler, slots[i], becomes, change, error);
    }
    if (status >= 0) status = store_records_write(scheduler->store, change->writes, change->count, &failed, error);
    for (size_t i = 0; i < count && status >= 0; i++) slots[i]->revision = change->writes[firsts[i]].record.revision;
    arena_fini(&change->memory);
    free(change);
    return status;
}

/* Of a slot that nobody sees. */
static void clear(struct slot *slot)
{
    arena_fini(&slot->memory);
    slot->scheduled = (varve_scheduled){ 0 };
    slot->was_running = slot->is_interrupted = slot->is_not_found = false;
    slot->error = (varve_error){ 0 };
    varve_buf_reset(&slot->code);
    varve_buf_reset(&slot->message);
}

static void give_up(struct slot *slot)
{
    clear(slot);
    set_phase(slot, FREE);
}

/* What follows when the store has a slot's change. */
typedef void (*slot_changed)(struct scheduler *scheduler, struct slot *slot);

/* All at once; where one stands in the way each by itself. What is another's by now (CONFLICT) is given up. After a
 * failure those that were not changed are as before. */
static varve_status change_slots(struct scheduler *scheduler, struct slot *const *slots, size_t count,
                                 slot_after becomes, slot_changed changed, varve_error *error)
{
    varve_status status = count == 0 ? VARVE_OK : write_slots(scheduler, slots, count, becomes, error);
    for (size_t i = 0; i < count && status >= 0; i++) changed(scheduler, slots[i]);
    if (status != VARVE_CONFLICT) return status;
    status = VARVE_OK;
    for (size_t i = 0; i < count && status >= 0; i++) {
        status = write_slots(scheduler, &slots[i], 1, becomes, error);
        if (status >= 0) changed(scheduler, slots[i]);
        if (status != VARVE_CONFLICT) continue;
        give_up(slots[i]);
        status = VARVE_OK;
    }
    return status;
}

/* The log has its outcome. */
static void take_outcome(struct slot *slot, const varve_scheduled *found)
{
    bool rejected = found->state == VARVE_SCHEDULED_REJECTED;
    slot->status = rejected ? VARVE_REJECTED : VARVE_REPEATED;
    slot->is_interrupted = false;
    varve_buf_reset(&slot->code);
    varve_buf_reset(&slot->message);
    varve_buf_str(&slot->code, found->code);
    varve_buf_str(&slot->message, found->message);
    if (slot->code.failed || slot->message.failed)
        slot->status = varve_error_set(&slot->error, VARVE_NOMEM, "no memory for the reason of a rejection");
}

/* What would be told to have failed, or was left by another process, may be in the log: then it is what that says. */
static varve_status look(struct scheduler *scheduler, struct slot *slot, varve_error *error)
{
    struct arena memory = { 0 };
    varve_scheduled found = slot->scheduled;
    varve_error problem = { 0 };
    varve_time delay_us = 0;
    if (slot->is_not_found || (!slot->is_interrupted && judge_attempt(slot, &delay_us) != ATTEMPT_FAILED))
        return VARVE_OK;
    varve_status status = scheduled_find_outcome(scheduler->store, &memory, &found, &problem);
    slot->is_not_found = status == VARVE_OK;
    if (status == VARVE_REPEATED) take_outcome(slot, &found);
    if (status < 0 && attempt_may_pass(status)) {
        *error = problem;
    } else if (status < 0) { /* damage, or another command's id: it will not be known */
        slot->status = status;
        slot->error = problem;
        slot->is_interrupted = false;
        slot->is_not_found = true;
        status = VARVE_OK;
    }
    arena_fini(&memory);
    return status < 0 ? status : VARVE_OK;
}

static void settled(struct scheduler *scheduler, struct slot *slot)
{
    tell(scheduler, slot);
    give_up(slot);
}

/* Takes down what became of those that are over. After a failure what is left stays so, and is taken down later: a
 * change that was made after all is then another's. */
static varve_status settle(struct scheduler *scheduler, varve_error *error)
{
    struct slot *over[WINDOW];
    size_t count = 0;
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < WINDOW && status >= 0; i++) {
        if (phase_of(scheduler, &scheduler->slots[i]) != OVER) continue;
        over[count++] = &scheduler->slots[i];
        status = look(scheduler, &scheduler->slots[i], error);
    }
    return status < 0 ? status : change_slots(scheduler, over, count, judge, settled, error);
}

/* ---- executing what is due ---- */

static varve_scheduled *as_running(const struct scheduler *scheduler, const struct slot *slot, varve_scheduled *after)
{
    (void)scheduler;
    *after = slot->scheduled;
    after->state = VARVE_SCHEDULED_RUNNING;
    after->attempts++;
    after->code = after->message = (varve_str){ 0 };
    return after;
}

static bool has(struct scheduler *scheduler, varve_uuid id)
{
    for (size_t i = 0; i < WINDOW; i++) {
        const struct slot *slot = &scheduler->slots[i];
        bool used = phase_of(scheduler, slot) != FREE;
        if (used && memcmp(&slot->scheduled.command.id, &id, sizeof id) == 0) return true;
    }
    return false;
}

static size_t bytes_under_way(struct scheduler *scheduler)
{
    size_t bytes = 0;
    for (size_t i = 0; i < WINDOW; i++)
        if (phase_of(scheduler, &scheduler->slots[i]) != FREE)
            bytes += scheduler->slots[i].scheduled.command.data.len + 1;
    return bytes;
}

static struct slot *free_slot(struct scheduler *scheduler)
{
    size_t bytes = bytes_under_way(scheduler);
    for (size_t i = 0; i < WINDOW && (bytes == 0 || bytes + VARVE_DATA_BYTES_MAX <= BYTES_MAX); i++)
        if (phase_of(scheduler, &scheduler->slots[i]) == FREE) return &scheduler->slots[i];
    return NULL;
}

/* Its process ended more than once while it ran: two of them at a time, and each would be suspected of what the other
 * does. */
static bool is_suspect(const struct slot *slot)
{
    return slot->scheduled.interrupted > 1;
}

static bool has_suspect(struct scheduler *scheduler)
{
    for (size_t i = 0; i < WINDOW; i++)
        if (phase_of(scheduler, &scheduler->slots[i]) != FREE && is_suspect(&scheduler->slots[i])) return true;
    return false;
}

static void tell_damage(struct scheduler *scheduler, const varve_error *error)
{
    if (scheduler->has_told) return; /* once: it is met again at each look */
    scheduler->has_told = true;
    log_line(&scheduler->log, VARVE_LOG_ERROR, "a scheduled command is left out: %s", error->message);
}

/* Loads what is due; SKIPPED: there is nothing to be executed now. */
static varve_status load(struct scheduler *scheduler, const struct scheduled_due *due, struct slot *slot,
                         varve_error *error)
{
    varve_status status =
        scheduled_load(scheduler->store, due->id, &slot->memory, &slot->scheduled, &slot->revision, error);
    if (status == VARVE_CORRUPT) { /* which holds up no other */
        tell_damage(scheduler, error);
        return VARVE_SKIPPED;
    }
    if (status == VARVE_NOT_FOUND) { /* cancelled without being read, or only since it was found */
        status = scheduled_forget_due(scheduler->store, due, error);
        return status >= 0 || status == VARVE_CONFLICT ? VARVE_SKIPPED : status;
    }
    if (status < 0) return status;
    bool is_for_now = slot->scheduled.next_at == due->next_at && /* else another process changed it since */
                      lanes_know(scheduler->lanes, &slot->scheduled.command) &&
                      !(is_suspect(slot) && has_suspect(scheduler));
    return is_for_now ? VARVE_OK : VARVE_SKIPPED;
}

/* A command that is marked as running, and nothing is told of the attempt: ours would be in a slot of its own. */
static bool was_interrupted(const struct slot *slot)
{
    return slot->was_running && slot->scheduled.code.len == 0;
}

static void end_interrupted(struct slot *slot)
{
    unsigned long count = slot->scheduled.interrupted + 1;
    slot->is_interrupted = true;
    slot->status = varve_error_set(&slot->error, VARVE_INDETERMINATE, "its process ended before attempt %lu did%s",
                                   (unsigned long)slot->scheduled.attempts,
                                   count > 1 ? ", as before: it may be what ends it" : "");
    set_phase(slot, OVER);
}

/* Chooses what is due and not under way, in order, as far as there is room; `*full`: there was not. */
static varve_status choose(struct scheduler *scheduler, const struct scheduled_due *due, size_t found,
                           struct slot **chosen, size_t *count, bool *full, varve_error *error)
{
    *count = 0;
    for (size_t i = 0; i < found; i++) {
        if (has(scheduler, due[i].id)) continue;
        struct slot *slot = free_slot(scheduler);
        *full = slot == NULL;
        if (slot == NULL) return VARVE_OK;
        varve_status status = load(scheduler, &due[i], slot, error);
        if (status != VARVE_OK) clear(slot);
        if (status < 0) return status;
        if (status != VARVE_OK) continue;
        slot->was_running = slot->scheduled.state == VARVE_SCHEDULED_RUNNING;
        if (was_interrupted(slot)) {
            end_interrupted(slot);
            continue;
        }
        set_phase(slot, CHOSEN);
        chosen[(*count)++] = slot;
    }
    return VARVE_OK;
}

static void execute(struct scheduler *scheduler, struct slot *slot)
{
    slot->scheduled.state = VARVE_SCHEDULED_RUNNING;
    slot->scheduled.attempts++;
    slot->scheduled.code = slot->scheduled.message = (varve_str){ 0 };
    varve_command command = slot->scheduled.command;
    command.not_before = 0;
    set_phase(slot, UNDER_WAY);
    varve_status status = lanes_execute(scheduler->lanes, &command, answered, slot, &slot->error);
    if (status >= 0) return;
    slot->status = status;
    set_phase(slot, OVER);
}

/* Marks what is due as running, then executes it, in order. */
static varve_status begin(struct scheduler *scheduler, const struct scheduled_due *due, size_t found, bool *full,
                          varve_error *error)
{
    struct slot *chosen[WINDOW];
    size_t count = 0;
    varve_status status = choose(scheduler, due, found, chosen, &count, full, error);
    if (status >= 0) status = change_slots(scheduler, chosen, count, as_running, execute, error);
    for (size_t i = 0; i < count && status < 0; i++)
        if (phase_of(scheduler, chosen[i]) == CHOSEN) give_up(chosen[i]);
    return status;
}

/* ---- the thread ---- */

static bool is_idle(struct scheduler *scheduler)
{
    for (size_t i = 0; i < WINDOW; i++)
        if (phase_of(scheduler, &scheduler->slots[i]) != FREE) return false;
    return true;
}

/* Whether it is others' turn: the lease was ours for its time, while something is due that is not known here. */
static bool is_others_turn(const struct scheduler *scheduler)
{
    uint64_t lease_ns = (uint64_t)scheduler->wanted.duration_ms * 1000000u;
    return scheduler->held && scheduler->scan.others_due && clock_ns() - scheduler->held_ns >= lease_ns;
}

/* Begins what is due, if it may: `count` of them. Where it is others' turn it ends what is under way, and then leaves
 * the lease to them for a moment. */
static varve_status go_on(struct scheduler *scheduler, const struct scheduled_due *due, size_t count, bool *full,
                          varve_error *error)
{
    if (clock_ns() < scheduler->rest_ns) return VARVE_OK;
    bool others_turn = is_others_turn(scheduler);
    if (is_idle(scheduler) && (count == 0 || others_turn)) {
        let_go(scheduler);
        if (others_turn) scheduler->rest_ns = clock_ns() + REST_NS;
        return VARVE_OK;
    }
    varve_status status = hold(scheduler, error);
    return status < 0 || others_turn ? status : begin(scheduler, due, count, full, error);
}

/* Does what is to be done, and says in how long to look again at the latest. */
static varve_status turn(struct scheduler *scheduler, varve_time *wait_us, varve_error *error)
{
    struct scheduled_due due[2 * WINDOW];
    size_t found = 0, later = 0;
    bool full = false;
    *wait_us = LOOK_US;
    varve_status status = settle(scheduler, error);
    if (status >= 0)
        status =
            scheduled_next(scheduler->store, &scheduler->scan, 2 * WINDOW, due, &found, &scheduler->store_now, error);
    scheduler->looked_ns = clock_ns();
    if (status < 0) return status;
    while (later < found && due[later].next_at <= scheduler->store_now) later++;
    status = go_on(scheduler, due, later, &full, error);
    if (status < 0) return status;
    if (later == found || full) return VARVE_OK; /* whatever ends under way makes room, and wakes us */
    varve_time until = due[later].next_at - time_now(scheduler);
    if (until < *wait_us) *wait_us = until < 0 ? 0 : until;
    return VARVE_OK;
}

/* Until something is over, somebody scheduled something, it is to stop, or so long. */
static bool wait_for_more(struct scheduler *scheduler, varve_time wait_us)
{
    struct timespec until = clock_deadline((uint32_t)((wait_us + 999) / 1000));
    bool timed_out = false, over = false;
    pthread_mutex_lock(&scheduler->mutex);
    while (!timed_out && !over && !scheduler->stopping && !scheduler->woken) {
        for (size_t i = 0; i < WINDOW; i++) over |= scheduler->slots[i].phase == OVER;
        if (!over)
            timed_out = pthread_cond_clockwait(&scheduler->changed, &scheduler->mutex, CLOCK_MONOTONIC, &until) != 0;
    }
    scheduler->woken = false;
    bool stopping = scheduler->stopping;
    pthread_mutex_unlock(&scheduler->mutex);
    return !stopping;
}

/* A failure of the store: what is over waits, so it is not a reason to come back at once. */
static bool wait_after_failure(struct scheduler *scheduler)
{
    struct timespec until = clock_deadline((uint32_t)(LOOK_US / 1000));
    pthread_mutex_lock(&scheduler->mutex);
    while (!scheduler->stopping &&
           pthread_cond_clockwait(&scheduler->changed, &scheduler->mutex, CLOCK_MONOTONIC, &until) == 0)
        ;
    bool stopping = scheduler->stopping;
    pthread_mutex_unlock(&scheduler->mutex);
    return !stopping;
}

static void finish(struct scheduler *scheduler)
{
    varve_error error = { 0 };
    pthread_mutex_lock(&scheduler->mutex);
    for (size_t i = 0; i < WINDOW; i++)
        while (scheduler->slots[i].phase == UNDER_WAY) pthread_cond_wait(&scheduler->changed, &scheduler->mutex);
    pthread_mutex_unlock(&scheduler->mutex);
    if (settle(scheduler, &error) < 0)
        log_line(&scheduler->log, VARVE_LOG_WARNING, "what became of scheduled commands will be looked up again: %s",
                 error.message);
    let_go(scheduler);
}

static void *run(void *ctx)
{
    struct scheduler *scheduler = ctx;
    bool goes_on = true, told = false;
    while (goes_on) {
        varve_error error = { 0 };
        varve_time wait_us = 0;
        varve_status status = turn(scheduler, &wait_us, &error);
        bool failed = status < 0 && status != VARVE_LOCKED;
        if (failed && !told)
            log_line(&scheduler->log, VARVE_LOG_WARNING, "scheduled commands have to wait: %s", error.message);
        told = failed;
        goes_on = status < 0 ? wait_after_failure(scheduler) : wait_for_more(scheduler, wait_us);
    }
    finish(scheduler);
    return NULL;
}

static bool knows(void *ctx, const varve_command *command)
{
    const struct scheduler *scheduler = ctx;
    return lanes_know(scheduler->lanes, command);
}

varve_status scheduler_open(struct scheduler **out, varve_store *store, struct lanes *lanes, uint32_t lease_ms,
                            const struct log *log, varve_error *error)
{
    *out = NULL;
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (scheduler == NULL) return varve_error_set(error, VARVE_NOMEM, "no memory for the scheduler");
    scheduler->store = store;
    scheduler->lanes = lanes;
    scheduler->log = *log;
    scheduler->shared = store_has_many_writers(store);
    scheduler->wanted.duration_ms = lease_ms == 0 ? LEASE_MS : lease_ms;
    scheduler->scan = (struct scheduled_scan){ .wants = knows, .ctx = scheduler };
    name_owner(scheduler);
    for (size_t i = 0; i < WINDOW; i++) scheduler->slots[i].scheduler = scheduler;
    pthread_mutex_init(&scheduler->mutex, NULL);
    pthread_cond_init(&scheduler->changed, NULL);
    if (pthread_create(&scheduler->thread, NULL, run, scheduler) != 0) {
        pthread_cond_destroy(&scheduler->changed);
        pthread_mutex_destroy(&scheduler->mutex);
        free(scheduler);
        return varve_error_set(error, VARVE_UNAVAILABLE, "cannot start a thread for scheduled commands");
    }
    *out = scheduler;
    return VARVE_OK;
}

void scheduler_wake(struct scheduler *scheduler)
{
    if (scheduler == NULL) return;
    pthread_mutex_lock(&scheduler->mutex);
    scheduler->woken = true;
    pthread_cond_signal(&scheduler->changed);
    pthread_mutex_unlock(&scheduler->mutex);
}

void scheduler_get_stats(struct scheduler *scheduler, struct scheduler_stats *stats)
{
    *stats = (struct scheduler_stats){ 0 };
    if (scheduler == NULL) return;
    stats->executed = scheduler->executed;
    stats->rejected = scheduler->rejected;
    stats->failed = scheduler->failed;
    stats->retries = scheduler->retries;
    stats->running = scheduler->running;
}

void scheduler_close(struct scheduler *scheduler)
{
    if (scheduler == NULL) return;
    pthread_mutex_lock(&scheduler->mutex);
    scheduler->stopping = true;
    pthread_cond_signal(&scheduler->changed);
    pthread_mutex_unlock(&scheduler->mutex);
    pthread_join(scheduler->thread, NULL);
    for (size_t i = 0; i < WINDOW; i++) {
        arena_fini(&scheduler->slots[i].memory);
        varve_buf_fini(&scheduler->slots[i].code);
        varve_buf_fini(&scheduler->slots[i].message);
    }
    arena_fini(&scheduler->lease_memory);
    pthread_cond_destroy(&scheduler->changed);
    pthread_mutex_destroy(&scheduler->mutex);
    free(scheduler);
}
