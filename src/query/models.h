/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The query side as the engine sees it: all projections, their read models, and the queries on them.
 */
#ifndef VARVE_QUERY_MODELS_H
#define VARVE_QUERY_MODELS_H

#include <stdatomic.h>
#include <varve/projection.h>
#include <varve/projector.h>
#include <varve/read.h>

#include "base/log.h"
#include "event/upcasters.h"

#define MODELS_REBUILDS 2u

struct models;
struct sql_driver;

struct models_options {
    const struct sql_driver *sql;      /* the database that read models live in */
    const char *location;              /* the folder of the model files, or the URI of a schema; copied */
    const char *log_location;          /* the log's own database, for inline models; copied */
    bool read_only;                    /* another process runs the projections: use its models as they are */
    uint32_t lease_ms;                 /* where processes share models; 0: 10 s */
    uint32_t rebuilds;                 /* that run at once, the others wait; 0: MODELS_REBUILDS */
    const struct upcasters *upcasters; /* filled before models_start, borrowed until models_close; NULL: none */
    struct log log;
};

/* `store` is borrowed until models_close. Nothing runs yet. */
varve_status models_open(struct models **models, varve_store *store, const struct models_options *options,
                         varve_error *error);
/* As varve_engine_add_projection, _projector and _query; before models_start. */
varve_status models_add_projection(struct models *models, const char *file, varve_str text, varve_error *error);
varve_status models_add_projector(struct models *models, const varve_projector *projector, void *ctx,
                                  varve_error *error);
varve_status models_add_query(struct models *models, const char *file, varve_str text, varve_error *error);
/* Checks every statement against the database, opens or begins each projection's generation, starts its worker. */
varve_status models_start(struct models *models, varve_error *error);
/* The types of events that inline projections see, as they are in the log; once started. Some stand several times. */
const varve_str *models_inline_types(const struct models *models, size_t *count);
/* As the public functions of the same name. */
varve_status models_list(struct models *models, varve_str name, varve_projection_visit visit, void *ctx,
                         varve_error *error);
varve_status models_rebuild(struct models *models, varve_str name, varve_error *error);
varve_status models_retry(struct models *models, const varve_projection_action *action, varve_error *error);
varve_status models_skip(struct models *models, const varve_projection_action *action, varve_error *error);
varve_status models_parked(struct models *models, varve_str name, uint64_t after, uint64_t limit,
                           varve_projection_parked_visit visit, void *ctx, varve_error *error);
varve_status models_check(struct models *models, const varve_projection_check_options *options,
                          varve_projection_check_summary *summary, varve_error *error);
varve_status models_check_start(struct models *models, varve_str name, varve_error *error);
varve_status models_check_look(struct models *models, varve_str name, varve_buf *out, varve_error *error);
varve_status models_query(struct models *models, const varve_query_request *request, varve_answer *answer,
                          varve_error *error);
varve_status models_explain(struct models *models, const varve_query_request *request, varve_buf *out,
                            varve_error *error);
/* As models_query, until `deadline_ns` (clock_ns) at most; waiting ends soon after `*stopping` was set, unavailable. */
varve_status models_query_until(struct models *models, const varve_query_request *request, uint64_t deadline_ns,
                                const atomic_bool *stopping, varve_answer *answer, varve_error *error);
varve_status models_wait(struct models *models, varve_str query, uint64_t after_position, uint32_t wait_ms,
                         varve_query_ready ready, void *ctx, varve_error *error);
varve_status models_reached(struct models *models, varve_str query, uint64_t position, varve_error *error);
/* Stops the workers at a committed checkpoint and answers who waits with VARVE_UNAVAILABLE. NULL is allowed. */
void models_close(struct models *models);

#endif
