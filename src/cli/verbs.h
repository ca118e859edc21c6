/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each verb runs, one file a noun. Each prints its data on standard output, takes its failure
 * back as status and error for main to print, and returns VARVE_REJECTED for a rejected command.
 */
#ifndef VARVE_CLI_VERBS_H
#define VARVE_CLI_VERBS_H

#include "cli/options.h"

varve_status run_serve(struct call *call, varve_error *error);
varve_status run_append(struct call *call, varve_error *error);
varve_status run_stream_append(struct call *call, varve_error *error);
varve_status run_stream_read(struct call *call, varve_error *error);
varve_status run_stream_list(struct call *call, varve_error *error);
varve_status run_log_read(struct call *call, varve_error *error);
varve_status run_event_show(struct call *call, varve_error *error);
varve_status run_command_send(struct call *call, varve_error *error);
varve_status run_scheduled_list(struct call *call, varve_error *error);
varve_status run_scheduled_show(struct call *call, varve_error *error);
varve_status run_scheduled_cancel(struct call *call, varve_error *error);
varve_status run_aggregate_show(struct call *call, varve_error *error);
varve_status run_aggregate_history(struct call *call, varve_error *error);
varve_status run_aggregate_diff(struct call *call, varve_error *error);
varve_status run_aggregate_replay(struct call *call, varve_error *error);
varve_status run_query(struct call *call, varve_error *error);
varve_status run_projection_list(struct call *call, varve_error *error);
varve_status run_projection_status(struct call *call, varve_error *error);
varve_status run_projection_rebuild(struct call *call, varve_error *error);
varve_status run_projection_check(struct call *call, varve_error *error);
varve_status run_projection_parked(struct call *call, varve_error *error);
varve_status run_projection_retry(struct call *call, varve_error *error);
varve_status run_projection_skip(struct call *call, varve_error *error);
varve_status run_subscription_create(struct call *call, varve_error *error);
varve_status run_subscription_list(struct call *call, varve_error *error);
varve_status run_subscription_show(struct call *call, varve_error *error);
varve_status run_subscription_read(struct call *call, varve_error *error);
varve_status run_subscription_ack(struct call *call, varve_error *error);
varve_status run_subscription_retry(struct call *call, varve_error *error);
varve_status run_subscription_park(struct call *call, varve_error *error);
varve_status run_subscription_skip(struct call *call, varve_error *error);
varve_status run_subscription_parked(struct call *call, varve_error *error);
varve_status run_subscription_delete(struct call *call, varve_error *error);
varve_status run_store_init(struct call *call, varve_error *error);
varve_status run_store_info(struct call *call, varve_error *error);
varve_status run_store_verify(struct call *call, varve_error *error);
varve_status run_store_backup(struct call *call, varve_error *error);
varve_status run_store_restore(struct call *call, varve_error *error);
varve_status run_store_export(struct call *call, varve_error *error);
varve_status run_store_import(struct call *call, varve_error *error);
varve_status run_store_new_incarnation(struct call *call, varve_error *error);
varve_status run_doctor(struct call *call, varve_error *error);
varve_status run_test(struct call *call, varve_error *error);
varve_status run_version(struct call *call, varve_error *error);

#endif
