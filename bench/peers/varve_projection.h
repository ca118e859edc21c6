/* SPDX-License-Identifier: Apache-2.0 */
/* varve's side of bench/peers for projections: the model of orders_model.mjs, by a projection in SQL. */
#ifndef VARVE_BENCH_PEERS_VARVE_PROJECTION_H
#define VARVE_BENCH_PEERS_VARVE_PROJECTION_H

#include <stdint.h>
#include <varve/engine.h>

/* An engine with the projection, inline or not, that is not started. `engine` is set on failure too. */
varve_status peer_model_open(varve_engine **engine, const char *uri, bool inlined, varve_error *error);

/* Waits until the model has reached the log's position `count`. VARVE_CORRUPT when it does not hold so many events. */
varve_status peer_model_check(varve_engine *engine, uint64_t count, varve_error *error);

/* Sets the seconds from the start of an engine without a model until the model has all `count` events of the log. */
varve_status peer_model_follow(const char *uri, uint64_t count, double *seconds, varve_error *error);

#endif
