/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers, one for each row of the table in routes.c, which says how each is run. A handler
 * is called once, with the whole body, and ends in request_send or request_fail, here or later.
 */
#ifndef VARVE_SERVER_API_H
#define VARVE_SERVER_API_H

#include "server/request.h"

/* api_streams.c */
void api_stream_append(struct request *request);
void api_append(struct request *request);
void api_stream_read(struct request *request);
void api_stream_list(struct request *request);

/* api_log.c */
void api_log_read(struct request *request);
void api_event_show(struct request *request);

/* api_commands.c and batch.c */
void api_command(struct request *request);
void api_command_batch(struct request *request);

/* api_scheduled.c */
void api_scheduled_list(struct request *request);
void api_scheduled_show(struct request *request);
void api_scheduled_cancel(struct request *request);

/* api_aggregates.c */
void api_aggregate_show(struct request *request);
void api_aggregate_history(struct request *request);
void api_aggregate_diff(struct request *request);

/* api_queries.c */
void api_query(struct request *request);
void api_projection_list(struct request *request);
void api_projection_show(struct request *request);
void api_projection_rebuild(struct request *request);

/* api_parked.c */
void api_projection_parked(struct request *request);
void api_projection_retry(struct request *request);
void api_projection_skip(struct request *request);
void api_projection_check(struct request *request);
void api_projection_checked(struct request *request);

/* api_subscriptions.c */
void api_subscription_list(struct request *request);
void api_subscription_show(struct request *request);
void api_subscription_parked(struct request *request);
void api_subscription_create(struct request *request);
void api_subscription_delete(struct request *request);
void api_subscription_read(struct request *request);
void api_subscription_ack(struct request *request);
void api_subscription_retry(struct request *request);
void api_subscription_park(struct request *request);
void api_subscription_skip(struct request *request);

/* api_health.c */
void api_health_live(struct request *request);
void api_health_ready(struct request *request);
void api_metrics(struct request *request);
void api_version(struct request *request);

#endif
