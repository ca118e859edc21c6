/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/inline.h"

static const char projection[] =
    "-- @projection bench_totals\n-- @version 1\n-- @mode inline\n-- @create\n" INLINE_TABLE ";\n"
    "-- @on OrderPlaced, OrderAmended, OrderPaid, OrderShipped\n" INLINE_CHANGE(":stream", ":data.total_amount") ";\n";

varve_status inline_open(const char *uri, varve_engine **engine, varve_store **store, varve_error *error)
{
    const varve_engine_options options = { .store = uri, .must_exist = true };
    varve_status status = varve_engine_open(engine, &options, error);
    if (status >= 0) status = varve_engine_add_projection(*engine, "bench.sql", varve_str_of(projection), error);
    if (status >= 0) status = varve_engine_start(*engine, error);
    if (status >= 0) *store = varve_engine_store(*engine);
    return status;
}
