/* SPDX-License-Identifier: Apache-2.0 */
/* The deciders that are measured with. The one in C looks at the bytes of an event and parses nothing. */
#ifndef VARVE_BENCH_ORDERS_H
#define VARVE_BENCH_ORDERS_H

#include <varve/command.h>

/* Of category "order", with the default snapshots; and the same without any. */
extern const varve_decider orders_decider, orders_decider_without_snapshots;

/* The same commands and events in Lua, which adds up a field of the events' data. Sources of a Lua aggregate. */
extern const char orders_lua[], orders_lua_without_snapshots[];

/* "PlaceOrder" and so on: the command that emits corpus_types[type], with its own data. Static. */
varve_str orders_command_type(uint64_t type);

#endif
