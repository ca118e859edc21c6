/* SPDX-License-Identifier: Apache-2.0 */
#include "command/registry.h"

#include <stdlib.h>

#include "event/codec.h"

enum { ENRICH_TIMEOUT_MAX_MS = 60000 };

static varve_status check_commands(const varve_decider *decider, varve_error *error)
{
    if ((decider->commands == NULL) == (decider->decide == NULL)) {
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' needs either commands or decide",
                               decider->category);
    }
    if (decider->commands == NULL) return VARVE_OK;
    for (const varve_command_handler *handler = decider->commands; handler->type != NULL; handler++) {
        if (handler->type[0] == '\0' || handler->decide == NULL) {
            return varve_error_set(error, VARVE_INVALID, "the decider of '%s' has a command without type or decide",
                                   decider->category);
        }
        for (const varve_command_handler *other = decider->commands; other != handler; other++) {
            if (strcmp(other->type, handler->type) == 0) {
                return varve_error_set(error, VARVE_INVALID, "the decider of '%s' has the command '%s' twice",
                                       decider->category, handler->type);
            }
        }
    }
    return VARVE_OK;
}

static varve_status check_decider(const varve_decider *decider, varve_error *error)
{
    if (decider->category == NULL) return varve_error_set(error, VARVE_INVALID, "a decider needs a category");
    varve_status status = event_check_name(varve_str_of(decider->category), "category", error);
    if (status < 0) return status;
    if (strchr(decider->category, '-') != NULL) {
        return varve_error_set(error, VARVE_INVALID, "the category '%s' must not contain '-', where a category ends",
                               decider->category);
    }
    if (decider->state_size == 0 || decider->evolve == NULL) {
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' needs state_size and evolve",
                               decider->category);
    }
    if (decider->decode != NULL && decider->encode == NULL) {
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' has decode without encode",
                               decider->category);
    }
    if (decider->enrich_timeout_ms > ENRICH_TIMEOUT_MAX_MS) {
        return varve_error_set(error, VARVE_INVALID, "the decider of '%s' has an enrich_timeout_ms of more than %d",
                               decider->category, ENRICH_TIMEOUT_MAX_MS);
    }
    return check_commands(decider, error);
}

varve_status registry_add(struct registry *registry, const varve_decider *decider, void *ctx, varve_error *error)
{
    varve_status status = check_decider(decider, error);
    if (status < 0) return status;
    for (size_t i = 0; i < registry->count; i++)
        if (strcmp(registry->entries[i].decider->category, decider->category) == 0)
            return varve_error_set(error, VARVE_INVALID, "the category '%s' has a decider already", decider->category);
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
        if (varve_str_is(category, registry->entries[i].decider->category)) {
            *index = i;
            return VARVE_OK;
        }
    }
    return varve_error_set(error, VARVE_NOT_FOUND, "no decider for the category '%.*s'", (int)category.len,
                           category.ptr);
}

void registry_fini(struct registry *registry)
{
    free(registry->entries);
    *registry = (struct registry){ 0 };
}
