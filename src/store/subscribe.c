/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions as such: creating, deleting, showing them; what reading and settling load first. */
#include "store/subscribe.h"

#include <stdio.h>

#include "base/stored_hash.h"
#include "event/codec.h"
#include "event/query.h"
#include "store/contend.h"

enum { REMOVED_AT_ONCE = 500 };

static varve_status no_memory(varve_error *error)
{
    varve_error_set(error, VARVE_NOMEM, "no memory for a subscription");
    return VARVE_NOMEM;
}

/* ---- loading ---- */

static varve_status check_name(varve_str name, varve_error *error)
{
    bool valid = name.len > 0 && name.len <= VARVE_SUBSCRIPTION_NAME_MAX;
    for (size_t i = 0; valid && i < name.len; i++) {
        char c = name.ptr[i];
        valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    if (valid) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "a subscription's name is 1 to %u of a-z, 0-9, '_' and '-'",
                           VARVE_SUBSCRIPTION_NAME_MAX);
}

static varve_status unknown(varve_str name, varve_error *error)
{
    return varve_error_set(error, VARVE_NOT_FOUND, "there is no subscription %.*s", (int)name.len, name.ptr);
}

/* Loads one even if it is being deleted. */
static varve_status load_any(varve_store *store, varve_str name, struct arena *memory,
                             struct subscription *subscription, varve_error *error)
{
    struct store_record record = { 0 };
    varve_error problem = { 0 };
    *subscription = (struct subscription){ 0 };
    varve_status status = check_name(name, error);
    if (status < 0) return status;
    status = store_record_get(store, SUBSCRIPTION_SPACE, name, memory, &record, NULL, &problem);
    if (status == VARVE_NOT_FOUND) return unknown(name, error);
    if (status < 0 && error != NULL) *error = problem;
    if (status >= 0) status = subscription_read(record.value, memory, subscription, error);
    subscription->definition.name = record.key;
    subscription->revision = record.revision;
    return status;
}

varve_status subscription_load(varve_store *store, varve_str name, struct arena *memory,
                               struct subscription *subscription, varve_error *error)
{
    varve_status status = load_any(store, name, memory, subscription, error);
    return status >= 0 && subscription->deleting ? unknown(name, error) : status;
}

varve_status subscription_check_history(varve_store *store, const struct subscription *subscription, varve_error *error)
{
    char incarnation[VARVE_UUID_TEXT_BYTES];
    varve_str name = subscription->definition.name;
    if (varve_str_is(subscription->incarnation, varve_store_incarnation(store, incarnation))) return VARVE_OK;
    return varve_error_set(error, VARVE_REWOUND,
                           "the log was restored or imported since the subscription %.*s was created: delete it and "
                           "create it again, after a position that its consumers know",
                           (int)name.len, name.ptr);
}

bool subscription_key(const struct subscription *subscription, uint32_t member, varve_str stream, const char *before,
                      struct arena *memory, varve_str *key)
{
    varve_str name = subscription->definition.name;
    char text[VARVE_SUBSCRIPTION_NAME_MAX + VARVE_NAME_BYTES_MAX + 32];
    int len = snprintf(text, sizeof text, "%s%.*s/%04lu%s%.*s", before, (int)name.len, name.ptr, (unsigned long)member,
                       stream.len > 0 ? "/" : "", (int)stream.len, stream.len > 0 ? stream.ptr : "");
    return arena_copy(memory, (varve_str){ text, (size_t)len }, key);
}

uint32_t subscription_member_of(const struct subscription *subscription, varve_str stream)
{
    return (uint32_t)(stored_hash(stream) % subscription->definition.members) + 1;
}

varve_status subscription_load_member(varve_store *store, const struct subscription *subscription, uint32_t number,
                                      size_t more, struct arena *memory, struct member *member, varve_time *now,
                                      varve_error *error)
{
    struct store_record record = { 0 };
    varve_error problem = { 0 };
    varve_str key;
    if (!subscription_key(subscription, number, (varve_str){ 0 }, "", memory, &key)) return no_memory(error);
    varve_status status = store_record_get(store, MEMBER_SPACE, key, memory, &record, now, &problem);
    if (status == VARVE_NOT_FOUND) return unknown(subscription->definition.name, error); /* deleted just now */
    if (status < 0 && error != NULL) *error = problem;
    if (status >= 0) status = member_read(record.value, more, memory, member, error);
    member->revision = record.revision;
    return status;
}

varve_status subscription_put_member(const struct subscription *subscription, uint32_t number,
                                     const struct member *member, struct arena *memory, struct store_write *write,
                                     varve_error *error)
{
    varve_buf json = { 0 };
    *write = (struct store_write){
        .record = { .space = MEMBER_SPACE },
        .expect = member->revision == 0 ? STORE_EXPECT_NONE : STORE_EXPECT_REVISION,
        .expected = member->revision,
    };
    member_write(member, &json);
    bool made = !json.failed && arena_copy(memory, varve_buf_view(&json), &write->record.value) &&
                subscription_key(subscription, number, (varve_str){ 0 }, "", memory, &write->record.key);
    varve_buf_fini(&json);
    return made ? VARVE_OK : no_memory(error);
}

varve_status subscription_look_lease(varve_store *store, const struct subscription *subscription, uint32_t number,
                                     struct arena *memory, struct lease *lease, varve_time *now, varve_error *error)
{
    varve_str name;
    if (!subscription_key(subscription, number, (varve_str){ 0 }, "subscription ", memory, &name))
        return no_memory(error);
    return lease_look(store, name, memory, lease, now, error);
}

bool subscription_copy_event(const varve_event *from, struct arena *memory, varve_event *event)
{
    *event = *from;
    return arena_copy(memory, from->stream, &event->stream) && arena_copy(memory, from->type, &event->type) &&
           arena_copy(memory, from->data, &event->data) && arena_copy(memory, from->metadata, &event->metadata) &&
           arena_copy(memory, from->content_type, &event->content_type) &&
           arena_copy_all(memory, from->tags, from->tag_count, &event->tags);
}

varve_status subscription_event_at(varve_store *store, const struct subscription *subscription, uint64_t position,
                                   struct arena *memory, varve_event *event, varve_error *error)
{
    const varve_subscription *own = &subscription->definition;
    const varve_event *found = NULL;
    varve_cursor *cursor = NULL;
    uint64_t head = 0;
    varve_status status = varve_store_head(store, &head, error);
    if (status >= 0 && position > own->after_position && position <= head) {
        const varve_read_options options = {
            .after_position = position - 1,
            .until_position = position,
            .categories = own->categories,
            .category_count = own->category_count,
            .types = own->types,
            .type_count = own->type_count,
            .tags = own->tags,
            .tag_count = own->tag_count,
        };
        status = varve_cursor_open(&cursor, store, &options, error);
        if (status >= 0) status = varve_cursor_next(cursor, &found, error);
    }
    if (status >= 0 && found == NULL)
        status = varve_error_set(error, VARVE_INVALID, "position %llu is no event of the subscription %.*s",
                                 (unsigned long long)position, (int)own->name.len, own->name.ptr);
    else if (status >= 0 && !subscription_copy_event(found, memory, event))
        status = no_memory(error);
    varve_cursor_close(cursor);
    return status;
}

/* ---- creating ---- */

static varve_status check_texts(const varve_str *texts, size_t count, const char *what, varve_error *error)
{
    if (count > VARVE_QUERY_ITEMS_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "a subscription has at most %u of what it asks for, not %zu",
                               VARVE_QUERY_ITEMS_MAX, count);
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count && status >= 0; i++) status = event_check_name(texts[i], what, error);
    return status;
}

static varve_status check_definition(varve_store *store, varve_subscription *own, varve_error *error)
{
    uint64_t head = 0;
    if (own->size != 0 && own->size != sizeof *own)
        return varve_error_set(error, VARVE_INVALID, "varve_subscription is of another version of the library");
    varve_status status = check_name(own->name, error);
    if (status >= 0) status = check_texts(own->categories, own->category_count, "a category", error);
    if (status >= 0) status = check_texts(own->types, own->type_count, "a type", error);
    if (status >= 0) status = check_texts(own->tags, own->tag_count, "a tag", error);
    if (status >= 0) status = varve_store_head(store, &head, error);
    if (status < 0) return status;
    if (own->members == 0) own->members = 1;
    if (own->members > VARVE_SUBSCRIPTION_MEMBERS_MAX)
        return varve_error_set(error, VARVE_INVALID, "a subscription has 1 to %u members",
                               VARVE_SUBSCRIPTION_MEMBERS_MAX);
    if (own->after_position > head)
        return varve_error_set(error, VARVE_INVALID, "position %llu lies beyond the head, which is %llu",
                               (unsigned long long)own->after_position, (unsigned long long)head);
    return VARVE_OK;
}

static bool same_texts(const varve_str *a, size_t a_count, const varve_str *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++) same = varve_str_eq(a[i], b[i]);
    return same;
}

static varve_status compare(const varve_subscription *there, const varve_subscription *wanted, varve_error *error)
{
    bool same = same_texts(there->categories, there->category_count, wanted->categories, wanted->category_count) &&
                same_texts(there->types, there->type_count, wanted->types, wanted->type_count) &&
                same_texts(there->tags, there->tag_count, wanted->tags, wanted->tag_count) &&
                there->after_position == wanted->after_position && there->members == wanted->members &&
                there->max_attempts == wanted->max_attempts;
    if (same) return VARVE_REPEATED;
    return varve_error_set(error, VARVE_CONFLICT, "there is a subscription %.*s with another definition",
                           (int)wanted->name.len, wanted->name.ptr);
}

static varve_status put_definition(const struct subscription *subscription, struct arena *memory,
                                   struct store_write *write, varve_error *error)
{
    varve_buf json = { 0 };
    *write = (struct store_write){
        .record = { .space = SUBSCRIPTION_SPACE, .key = subscription->definition.name },
        .expect = subscription->revision == 0 ? STORE_EXPECT_NONE : STORE_EXPECT_REVISION,
        .expected = subscription->revision,
    };
    subscription_write(subscription, &json);
    bool made = !json.failed && arena_copy(memory, varve_buf_view(&json), &write->record.value);
    varve_buf_fini(&json);
    return made ? VARVE_OK : no_memory(error);
}

/* Writes the definition and a state for each member, all or nothing. */
static varve_status put_new(varve_store *store, const varve_subscription *definition, struct arena *memory,
                            struct contention *contention, varve_error *error)
{
    struct store_write writes[VARVE_SUBSCRIPTION_MEMBERS_MAX + 1];
    char incarnation[VARVE_UUID_TEXT_BYTES];
    const struct subscription subscription = {
        .definition = *definition,
        .created_at = varve_time_now(),
        .incarnation = varve_str_of(varve_store_incarnation(store, incarnation)),
    };
    const struct member beginning = { .position = definition->after_position };
    varve_status status = put_definition(&subscription, memory, &writes[0], error);
    for (uint32_t i = 1; i <= definition->members && status >= 0; i++)
        status = subscription_put_member(&subscription, i, &beginning, memory, &writes[i], error);
    return status < 0 ? status : contend_write(contention, store, writes, definition->members + 1, error);
}

varve_status varve_subscription_create(varve_store *store, const varve_subscription *given, varve_error *error)
{
    varve_subscription wanted = *given;
    struct contention contention = { 0 };
    struct arena memory = { 0 };
    varve_error problem = { 0 };
    if (store_is_read_only(store)) return varve_error_set(error, VARVE_DENIED, "the store is open for reading only");
    varve_status status = check_definition(store, &wanted, error);
    if (status < 0) return status;
    do {
        struct subscription there;
        arena_reset(&memory);
        status = load_any(store, wanted.name, &memory, &there, &problem);
        if (status == VARVE_NOT_FOUND) {
            status = put_new(store, &wanted, &memory, &contention, &problem);
        } else if (status >= 0 && !there.deleting) {
            status = compare(&there.definition, &wanted, &problem);
            break;
        } else if (status >= 0) {
            status = varve_subscription_delete(store, wanted.name, &problem); /* which was begun by another */
            if (status >= 0 || status == VARVE_NOT_FOUND) status = VARVE_REPEATED;
        }
    } while (status == VARVE_REPEATED);
    arena_fini(&memory);
    if (status < 0 && error != NULL) *error = problem;
    return status;
}

/* ---- deleting ---- */

/*
 * Writes the definition, or with `last` takes it away, where it is as it was loaded, and whatever there may be of the
 * members. Once it says that it is being deleted nobody finds it, and without members nothing more is parked.
 */
static varve_status put_deleted(varve_store *store, struct subscription *subscription, bool last, struct arena *memory,
                                struct contention *contention, varve_error *error)
{
    struct store_write writes[2 * VARVE_SUBSCRIPTION_MEMBERS_MAX + 1];
    uint32_t members = subscription->definition.members;
    size_t count = 1;
    subscription->deleting = true;
    varve_status status = put_definition(subscription, memory, &writes[0], error);
    writes[0].remove = last;
    for (uint32_t i = 1; i <= members && status >= 0; i++) {
        struct store_write *member = &writes[count++], *lease = &writes[count++];
        *member = (struct store_write){ .record = { .space = MEMBER_SPACE }, .remove = true };
        *lease = (struct store_write){ .record = { .space = VARVE_STR("lease") }, .remove = true };
        if (!subscription_key(subscription, i, (varve_str){ 0 }, "", memory, &member->record.key) ||
            !subscription_key(subscription, i, (varve_str){ 0 }, "subscription ", memory, &lease->record.key))
            status = no_memory(error);
    }
    if (status >= 0) status = contend_write(contention, store, writes, count, error);
    subscription->revision = writes[0].record.revision;
    return status;
}

struct removal {
    struct store_write *writes; /* the first is the definition's */
    size_t count;
    struct arena *memory;
    bool failed;
};

static varve_status add_removal(void *ctx, const struct store_record *record)
{
    struct removal *removal = ctx;
    struct store_write *write = &removal->writes[removal->count++];
    *write = (struct store_write){ .record = { .space = PARKED_SPACE }, .remove = true };
    removal->failed = !arena_copy(removal->memory, record->key, &write->record.key);
    return removal->failed ? VARVE_DONE : VARVE_OK;
}

/*
 * Removes some of what is parked; `more` until there is nothing left. The definition is written along as it is, so that
 * all of it is refused once another was created: what is parked may be that one's.
 */
static varve_status remove_parked(varve_store *store, struct subscription *subscription, bool *more,
                                  struct contention *contention, varve_error *error)
{
    struct arena memory = { 0 };
    varve_buf prefix = { 0 };
    varve_str name = subscription->definition.name;
    struct removal removal = { .memory = &memory, .count = 1 };
    removal.writes = arena_array(&memory, REMOVED_AT_ONCE + 1, sizeof *removal.writes);
    varve_buf_printf(&prefix, "%.*s/", (int)name.len, name.ptr);
    const struct store_record_range range = { .space = PARKED_SPACE,
                                              .prefix = varve_buf_view(&prefix),
                                              .limit = REMOVED_AT_ONCE };
    varve_status status = removal.writes == NULL || prefix.failed
                              ? no_memory(error)
                              : store_records_list(store, &range, add_removal, &removal, NULL, error);
    if (status >= 0 && removal.failed) status = no_memory(error);
    *more = status >= 0 && removal.count > 1;
    if (*more) status = put_definition(subscription, &memory, &removal.writes[0], error);
    if (*more && status >= 0) status = contend_write(contention, store, removal.writes, removal.count, error);
    if (*more && status == VARVE_OK) {
        subscription->revision = removal.writes[0].record.revision;
        contention->lost = 0;
    }
    varve_buf_fini(&prefix);
    arena_fini(&memory);
    return status;
}

varve_status varve_subscription_delete(varve_store *store, varve_str name, varve_error *error)
{
    struct contention contention = { 0 };
    struct subscription subscription;
    struct arena memory = { 0 };
    varve_error problem = { 0 };
    varve_status status;
    bool begun = false;
    do {
        arena_reset(&memory);
        status = load_any(store, name, &memory, &subscription, &problem);
        bool other = status == VARVE_NOT_FOUND || (status >= 0 && !subscription.deleting);
        if (begun && other) { /* another has ended this, and perhaps created it again */
            status = VARVE_OK;
            break;
        }
        if (status >= 0 && !subscription.deleting)
            status = put_deleted(store, &subscription, false, &memory, &contention, &problem);
        begun = begun || (status == VARVE_OK && subscription.deleting);
        for (bool more = true; more && status == VARVE_OK;)
            status = remove_parked(store, &subscription, &more, &contention, &problem);
        if (status == VARVE_OK) status = put_deleted(store, &subscription, true, &memory, &contention, &problem);
    } while (status == VARVE_REPEATED);
    arena_fini(&memory);
    if (status < 0 && error != NULL) *error = problem;
    return status;
}

/* ---- showing ---- */

static varve_status show(varve_store *store, varve_str name, struct arena *memory, varve_subscription_visit visit,
                         void *ctx, varve_error *error)
{
    struct subscription subscription;
    varve_subscription_status status = { 0 };
    varve_status code = subscription_load(store, name, memory, &subscription, error);
    if (code >= 0) code = varve_store_head(store, &status.head, error);
    if (code < 0) return code;
    status.definition = subscription.definition;
    status.created_at = subscription.created_at;
    status.rewound = subscription_check_history(store, &subscription, NULL) < 0;
    varve_subscription_member *members = arena_array(memory, subscription.definition.members, sizeof *members);
    if (members == NULL) return no_memory(error);
    for (uint32_t i = 0; i < subscription.definition.members; i++) {
        struct member member = { 0 };
        struct lease lease = { 0 };
        varve_time now = 0;
        code = subscription_load_member(store, &subscription, i + 1, 0, memory, &member, &now, error);
        if (code >= 0) code = subscription_look_lease(store, &subscription, i + 1, memory, &lease, &now, error);
        if (code < 0) return code;
        members[i] = (varve_subscription_member){
            .position = member.position,
            .lag = status.head > member.position ? status.head - member.position : 0,
            .parked = member.parked,
            .held = (uint32_t)member.held_count,
            .unparked = (uint32_t)member.unparked_count,
        };
        if (!lease_is_held(&lease, now)) continue;
        members[i].consumer = lease.owner;
        members[i].lease_until = lease.expires_at;
    }
    status.members = members;
    return visit(ctx, &status);
}

/* A name as the list goes on behind it. */
struct place {
    char name[VARVE_SUBSCRIPTION_NAME_MAX];
    size_t len;
};

static varve_status take_name(void *ctx, const struct store_record *record)
{
    struct place *place = ctx;
    place->len = record->key.len < sizeof place->name ? record->key.len : sizeof place->name;
    memcpy(place->name, record->key.ptr, place->len);
    return VARVE_DONE;
}

/* Finds the subscription behind a place; the length is 0 behind the last. */
static varve_status next_name(varve_store *store, struct place *place, varve_error *error)
{
    const struct place before = *place;
    const struct store_record_range range = { .space = SUBSCRIPTION_SPACE,
                                              .after = { before.name, before.len },
                                              .limit = 1 };
    place->len = 0;
    return store_records_list(store, &range, take_name, place, NULL, error);
}

varve_status varve_subscription_list(varve_store *store, varve_str name, varve_subscription_visit visit, void *ctx,
                                     varve_error *error)
{
    struct arena memory = { 0 };
    varve_status status;
    if (name.len > 0) {
        status = show(store, name, &memory, visit, ctx, error);
        arena_fini(&memory);
        return status < 0 ? status : VARVE_OK;
    }
    struct place place = { .len = 0 };
    varve_error problem = { 0 };
    while ((status = next_name(store, &place, &problem)) >= 0 && place.len > 0) {
        arena_reset(&memory);
        status = show(store, (varve_str){ place.name, place.len }, &memory, visit, ctx, &problem);
        if (status == VARVE_NOT_FOUND) continue; /* deleted just now */
        if (status != VARVE_OK) break;
    }
    arena_fini(&memory);
    if (status < 0 && error != NULL) *error = problem;
    return status < 0 ? status : VARVE_OK;
}
