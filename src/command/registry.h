/* SPDX-License-Identifier: Apache-2.0 */
/* Deciders by category. Filled before the lanes start, only read afterwards. */
#ifndef VARVE_COMMAND_REGISTRY_H
#define VARVE_COMMAND_REGISTRY_H

#include <varve/command.h>

struct registry_entry {
    const varve_decider *decider; /* borrowed */
    void *ctx;
};

/* Starts from {0}; ends with registry_fini. */
struct registry {
    struct registry_entry *entries;
    size_t count;
};

/* Adds a decider. VARVE_INVALID when its table is incomplete or its category has one already; VARVE_NOMEM. */
varve_status registry_add(struct registry *registry, const varve_decider *decider, void *ctx, varve_error *error);

/* The place in `entries` of the decider for `stream`'s category. VARVE_NOT_FOUND names the category. */
varve_status registry_find(const struct registry *registry, varve_str stream, size_t *index, varve_error *error);

/* The same for a command: of a decider over a query by the type, else by the stream. */
varve_status registry_find_command(const struct registry *registry, const varve_command *command, size_t *index,
                                   varve_error *error);

/* Whether a decider may know it: by the table of its commands, if it has one. */
bool registry_knows(const struct registry *registry, const varve_command *command);

/* What messages call the decider: its category, or "the decider over a query". */
const char *registry_name(const varve_decider *decider);

void registry_fini(struct registry *registry);

#endif
