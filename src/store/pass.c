/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pass.h"

#include "base/stored_hash.h"

/* The table grows with the streams met, so that a reader which waits with nothing open costs next to nothing. */
enum {
    FIRST_NOTES = 64,
    PASSED_OVER = 20000,
    LOOKED_FIRST = 4, /* whether a stream is parked is asked for so many of them; then all parked ones are listed … */
    PARKED_LISTED = 1000, /* … unless there are more than this */
};

struct stream_note {
    uint64_t hash; /* of its name: whoever chooses names can find two with the same */
    varve_str stream;
    uint64_t blocker;
    uint64_t parked_from; /* its parked event; 0: none */
    bool used;
};

static bool is_of(const struct stream_note *note, uint64_t hash, varve_str stream)
{
    return note->hash == hash && varve_str_eq(note->stream, stream);
}

/* The stream's note, or the place for it. */
static struct stream_note *find_note(const struct pass *pass, uint64_t hash, varve_str stream)
{
    size_t at = hash & (pass->note_places - 1);
    while (pass->notes[at].used && !is_of(&pass->notes[at], hash, stream)) at = (at + 1) & (pass->note_places - 1);
    return &pass->notes[at];
}

/* Makes room for so many notes in all, at most half full. False when memory is out. */
static bool make_room(struct pass *pass, size_t count)
{
    const struct stream_note *before = pass->notes;
    size_t places_before = pass->note_places;
    if (count * 2 <= places_before) return true;
    for (pass->note_places = FIRST_NOTES; pass->note_places < count * 2; pass->note_places *= 2) {
    }
    pass->notes = arena_array(pass->memory, pass->note_places, sizeof *pass->notes);
    if (pass->notes == NULL) return false;
    for (size_t i = 0; i < places_before; i++)
        if (before[i].used) *find_note(pass, before[i].hash, before[i].stream) = before[i];
    return true;
}

varve_status pass_open(struct pass *pass, varve_store *store, const struct subscription *subscription, uint32_t number,
                       const struct member *member, uint64_t until, struct arena *memory, varve_error *error)
{
    const varve_subscription *own = &subscription->definition;
    const varve_read_options options = {
        .after_position = member->position,
        .until_position = until,
        .categories = own->categories,
        .category_count = own->category_count,
        .types = own->types,
        .type_count = own->type_count,
        .tags = own->tags,
        .tag_count = own->tag_count,
        .follow = until == 0,
    };
    *pass = (struct pass){
        .store = store,
        .subscription = subscription,
        .number = number,
        .member = member,
        .memory = memory,
        .follows = until == 0,
        .even = true,
        .position = member->position,
    };
    if (!make_room(pass, member->unparked_count + 1))
        return varve_error_set(error, VARVE_NOMEM, "no memory for a subscription");
    for (size_t i = 0; i < member->unparked_count; i++) {
        varve_str stream = member->unparked[i].stream;
        uint64_t hash = stored_hash(stream);
        *find_note(pass, hash, stream) = (struct stream_note){
            .hash = hash, .stream = stream, .blocker = member->unparked[i].next.position, .used = true
        };
    }
    return varve_cursor_open(&pass->cursor, store, &options, error);
}

void pass_close(struct pass *pass)
{
    varve_cursor_close(pass->cursor);
    *pass = (struct pass){ 0 };
}

/* The stream's note, made where it is new. NULL when memory is out. */
static struct stream_note *make_note(struct pass *pass, uint64_t hash, varve_str stream)
{
    varve_str copy;
    if (!make_room(pass, pass->note_count + 1)) return NULL;
    struct stream_note *note = find_note(pass, hash, stream);
    if (note->used) return note;
    if (!arena_copy(pass->memory, stream, &copy)) return NULL;
    pass->note_count++;
    *note = (struct stream_note){ .hash = hash, .stream = copy, .used = true };
    return note;
}

static varve_status note_parked(void *ctx, const varve_parked *parked)
{
    struct pass *pass = ctx;
    uint64_t hash = stored_hash(parked->stream);
    if (find_note(pass, hash, parked->stream)->used) return VARVE_OK; /* as it was looked up, or worked off */
    struct stream_note *note = make_note(pass, hash, parked->stream);
    if (note == NULL) return VARVE_NOMEM;
    note->parked_from = parked->position;
    return VARVE_OK;
}

/*
 * Finds out where the event's stream is parked from, where neither its note nor the list tells. What is parked does not
 * change under a pass: the member's state would change with it, and who writes or goes on makes sure that it did not.
 */
static varve_status look_parked(struct pass *pass, uint64_t hash, uint64_t *parked_from, varve_error *error)
{
    varve_parked parked = { 0 };
    uint64_t revision = 0;
    varve_str stream = pass->event->stream;
    varve_status status;
    if (pass->member->parked == 0 || pass->listed || find_note(pass, hash, stream)->used) return VARVE_OK;
    if (pass->looked >= LOOKED_FIRST && pass->member->parked <= PARKED_LISTED) {
        status =
            parked_list(pass->store, pass->subscription, pass->number, (varve_str){ 0 }, 0, note_parked, pass, error);
        pass->listed = status >= 0;
        return status;
    }
    status =
        parked_look(pass->store, pass->subscription, pass->number, stream, pass->memory, &parked, &revision, error);
    pass->looked++;
    if (revision > 0) *parked_from = parked.position;
    return status;
}

/* Notes the stream of the event, which may be new. */
static varve_status note_stream(struct pass *pass, uint64_t hash, varve_error *error)
{
    uint64_t parked_from = 0;
    varve_status status = look_parked(pass, hash, &parked_from, error);
    if (status < 0 && status != VARVE_NOMEM) return status;
    pass->note = status < 0 ? NULL : make_note(pass, hash, pass->event->stream);
    if (pass->note == NULL) {
        varve_error_set(error, VARVE_NOMEM, "no memory for a subscription");
        return VARVE_NOMEM;
    }
    if (parked_from > 0) pass->note->parked_from = parked_from;
    return VARVE_OK;
}

static bool is_settled(struct pass *pass, uint64_t position)
{
    const struct member *member = pass->member;
    while (pass->next_settled < member->settled_count && member->settled[pass->next_settled] < position)
        pass->next_settled++;
    return pass->next_settled < member->settled_count && member->settled[pass->next_settled] == position;
}

varve_status pass_next(struct pass *pass, varve_error *error)
{
    uint64_t hash = 0;
    varve_status status;
    if (pass->seen >= VARVE_SUBSCRIPTION_WINDOW) {
        pass->full = true;
        return VARVE_DONE;
    }
    for (size_t passed_over = 0;; passed_over++) {
        if (pass->follows && passed_over >= PASSED_OVER) return VARVE_SKIPPED;
        status = varve_cursor_next(pass->cursor, &pass->event, error);
        if (status != VARVE_OK) return status;
        hash = stored_hash(pass->event->stream);
        if (hash % pass->subscription->definition.members + 1 == pass->number) break;
    }
    pass->seen++;
    status = note_stream(pass, hash, error);
    if (status < 0) return status;
    uint64_t position = pass->event->position;
    pass->hold = NULL;
    pass->blocker = 0;
    if (is_settled(pass, position)) {
        pass->standing = STANDING_SETTLED;
    } else if (pass->note->parked_from > 0 && position >= pass->note->parked_from) {
        pass->standing = STANDING_PARKED;
    } else {
        pass->standing = STANDING_OPEN;
        pass->hold = member_hold(pass->member, position);
        pass->blocker = pass->note->blocker;
    }
    return VARVE_OK;
}

uint64_t pass_parked_from(const struct pass *pass)
{
    return pass->note->parked_from;
}

void pass_settle(struct pass *pass)
{
    if (pass->even) pass->position = pass->event->position;
}

void pass_leave(struct pass *pass, bool blocks)
{
    pass->even = false;
    if (blocks && pass->note->blocker == 0) pass->note->blocker = pass->event->position;
}

uint64_t pass_position(const struct pass *pass)
{
    return pass->even ? varve_cursor_scanned(pass->cursor) : pass->position;
}
