/* SPDX-License-Identifier: Apache-2.0 */
#include "command/registry.h"

#include <stdlib.h>

#include "event/codec.h"

enum { ENRICH_TIMEOUT_MAX_MS = 60000 };

static varve_status check_commands(const varve_decider *decider, varve_error *error)
{
    if ((decider->commands == NULL) == (decider->decide == NULL)) {
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' needs either commands or decide",
                               registry_name(decider));
    }
    if (decider->commands == NULL) return VARVE_OK;
    for (const varve_command_handler *handler = decider->commands; handler->type != NULL; handler++) {
        if (handler->type[0] == '\0' || handler->decide == NULL) {
            return varve_error_set(error, VARVE_INVALID, "the decider of '%s' has a command without type or decide",
                                   registry_name(decider));
        }
        for (const varve_command_handler *other = decider->commands; other != handler; other++) {
            if (strcmp(other->type, handler->type) == 0) {
                return varve_error_set(error, VARVE_INVALID, "the decider of '%s' has the command '%s' twice",
                                       registry_name(decider), handler->type);
            }
        }
    }
    return VARVE_OK;
}

static varve_status check_category(const varve_decider *decider, varve_error *error)
{
    if (decider->category == NULL) return varve_error_set(error, VARVE_INVALID, "a decider needs a category, or reads");
    varve_status status = event_check_name(varve_str_of(decider->category), "category", error);
    if (status < 0) return status;
    if (strchr(decider->category, '-') == NULL) return VARVE_OK;
    return varve_error_set(error, VARVE_INVALID, "the category '%s' must not contain '-', where a category ends",
                           decider->category);
}

static varve_status check_reads(const varve_decider *decider, varve_error *error)
{
    if (decider->category != NULL)
        return varve_error_set(error, VARVE_INVALID, "a decider has a category or reads, not both: '%s'",
                               decider->category);
    if (decider->commands == NULL || decider->commands->type == NULL)
        return varve_error_set(error, VARVE_INVALID, "a decider over a query needs the table of its commands");
    if (decider->snapshot_every != 0 && decider->snapshot_every != VARVE_NO_SNAPSHOTS)
        return varve_error_set(error, VARVE_INVALID, "a decider over a query has no snapshots");
    return VARVE_OK;
}

static varve_status check_decider(const varve_decider *decider, varve_error *error)
{
    varve_status status = decider->reads != NULL ? check_reads(decider, error) : check_category(decider, error);
    if (status < 0) return status;
    if (decider->state_size == 0 || decider->evolve == NULL) {
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' needs state_size and evolve",
                               registry_name(decider));
    }
    if (decider->decode != NULL && decider->encode == NULL) {
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' has decode without encode",
                               registry_name(decider));
    }
    if (decider->enrich_timeout_ms > ENRICH_TIMEOUT_MAX_MS) {
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' has an enrich_timeout_ms of more than %d",
                               registry_name(decider), ENRICH_TIMEOUT_MAX_MS);
    }
    return check_commands(decider, error);
}

static bool decides(const varve_decider *decider, varve_str type)
{
    for (const varve_command_handler *handler = decider->commands; handler != NULL && handler->type != NULL; handler++)
        if (varve_str_is(type, handler->type)) return true;
    return false;
}

/* A category has one decider, and a type that is decided over a query belongs to that one wherever it goes. */
static varve_status check_others(const struct registry *registry, const varve_decider *decider, varve_error *error)
{
    for (size_t i = 0; i < registry->count; i++) {
        const varve_decider *other = registry->entries[i].decider;
        if (other->category != NULL && decider->category != NULL && strcmp(other->category, decider->category) == 0)
            return varve_error_set(error, VARVE_INVALID, "the category '%s' has a decider already", decider->category);
        if (other->reads == NULL && decider->reads == NULL) continue;
        for (const varve_command_handler *own = decider->commands; own != NULL && own->type != NULL; own++) {
            if (decides(other, varve_str_of(own->type)))
                return varve_error_set(error, VARVE_INVALID,
                                       "the command '%s' is decided by two, of which one is over a query", own->type);
        }
    }
    return VARVE_OK;
}

const char *registry_name(const varve_decider *decider)
{
    return decider->category != NULL ? decider->category : "the decider over a query";
}

varve_status registry_add(struct registry *registry, const varve_decider *decider, void *ctx, varve_error *error)
{
    varve_status status = check_decider(decider, error);
    if (status < 0) return status;
    status = check_others(registry, decider, error);
    if (status < 0) return status;
    struct registry_entry *entries = realloc(registry->entries, (registry->count + 1) * sizeof *entries);
    if (entries == NULL) return varve_error_set(error, VARVE_NOMEM, "out of memory");
    entries[registry->count++] = (struct registry_entry){ decider, ctx };
    registry->entries = entries;
    return VARVE_OK;
}

varve_status registry_find(const struct registry *registry, varve_str stream, size_t *index, varve_error *error)
{
    varve_str category = varve_stream_category(stream);
    for (size_t i = 0; i < registry->count; i++) {
        const char *own = registry->entries[i].decider->category;
        if (own != NULL && varve_str_is(category, own)) {
            *index = i;
            return VARVE_OK;
        }
    }
    return varve_error_set(error, VARVE_NOT_FOUND, "no decider for the category '%.*s'", (int)category.len,
                           category.ptr);
}

varve_status registry_find_command(const struct registry *registry, const varve_command *command, size_t *index,
                                   varve_error *error)
{
    for (size_t i = 0; i < registry->count; i++) {
        const varve_decider *decider = registry->entries[i].decider;
        if (decider->reads == NULL || !decides(decider, command->type)) continue;
        *index = i;
        return VARVE_OK;
    }
    return registry_find(registry, command->stream, index, error);
}

bool registry_knows(const struct registry *registry, const varve_command *command)
{
    size_t index = 0;
    if (registry_find_command(registry, command, &index, NULL) < 0) return false;
    const varve_decider *decider = registry->entries[index].decider;
    return decider->commands == NULL || decides(decider, command->type);
}

void registry_fini(struct registry *registry)
{
    free(registry->entries);
    *registry = (struct registry){ 0 };
}
