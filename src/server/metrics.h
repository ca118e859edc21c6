/* SPDX-License-Identifier: Apache-2.0 */
/* Counting requests, and the numbers for Prometheus (text format 0.0.4). */
#ifndef VARVE_SERVER_METRICS_H
#define VARVE_SERVER_METRICS_H

#include <varve/engine.h>

struct metrics;

/* Free with metrics_free. NULL when memory is out. */
struct metrics *metrics_new(void);
/* NULL is allowed. */
void metrics_free(struct metrics *metrics);
/* Counts a request answered with an HTTP status; `route` as routes_index gives it. Any thread. */
void metrics_count(struct metrics *metrics, size_t route, unsigned status);
/* Counts a connection whose request did not come in time. Any thread. */
void metrics_count_cut(struct metrics *metrics);
/* Counts bytes of a body that are kept; gives how many all requests keep now. Any thread. */
size_t metrics_hold(struct metrics *metrics, size_t bytes);
/* The same bytes are freed. Any thread. */
void metrics_let_go(struct metrics *metrics, size_t bytes);
/* Appends what was counted so far. Any thread. */
void metrics_write_requests(const struct metrics *metrics, varve_buf *out);
/* Appends the engine's own numbers: counters, head, each projection. Any thread. */
void metrics_write_engine(varve_engine *engine, varve_buf *out);

#endif
