/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/varve_projection.h"

#include "base/clock.h"
#include "bench/model.h"

enum { PATIENCE_MS = 600000 };

static const char query[] = "-- @query counted\n-- @reads orders\n"
                            "SELECT coalesce(sum(event_count), 0) AS events FROM orders.orders\n";

varve_status peer_model_open(varve_engine **engine, const char *uri, bool inlined, varve_error *error)
{
    const char *text = inlined ? MODEL_PROJECTION("-- @mode inline\n") : MODEL_PROJECTION("");
    const varve_engine_options options = { .store = uri };
    varve_status status = varve_engine_open(engine, &options, error);
    if (status >= 0) status = varve_engine_add_projection(*engine, "orders.sql", varve_str_of(text), error);
    return status >= 0 ? varve_engine_add_query(*engine, "counted.sql", varve_str_of(query), error) : status;
}

varve_status peer_model_check(varve_engine *engine, uint64_t count, varve_error *error)
{
    const varve_query_request request = { .name = VARVE_STR("counted"),
                                          .after_position = count,
                                          .wait_ms = PATIENCE_MS };
    varve_answer answer = { 0 };
    int64_t events = 0;
    varve_status status = varve_query(engine, &request, &answer, error);
    if (status >= 0 && answer.rows.len > 2) {
        varve_str row = { answer.rows.ptr + 1, answer.rows.len - 2 }; /* without the array's brackets */
        status = varve_json_int(row, "events", &events, error);
    }
    varve_answer_fini(&answer);
    if (status >= 0 && (uint64_t)events != count)
        status = varve_error_set(error, VARVE_CORRUPT, "failed: the model has %lld of %llu events", (long long)events,
                                 (unsigned long long)count);
    return status;
}

varve_status peer_model_follow(const char *uri, uint64_t count, double *seconds, varve_error *error)
{
    varve_engine *engine = NULL;
    varve_status status = peer_model_open(&engine, uri, false, error);
    uint64_t start = clock_ns();
    if (status >= 0) status = varve_engine_start(engine, error);
    if (status >= 0) status = peer_model_check(engine, count, error);
    *seconds = (double)(clock_ns() - start) / 1e9;
    varve_engine_close(engine);
    return status;
}
