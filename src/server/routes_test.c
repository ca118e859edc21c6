/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/api.h"
#include "server/routes.h"

static struct request_headers json(void)
{
    struct request_headers headers = { .host = VARVE_STR("localhost:8080"),
                                       .content_type = VARVE_STR("application/json"),
                                       .content_length = 2,
                                       .has_body = true };
    return headers;
}

static struct request_headers bare(void)
{
    struct request_headers headers = { .host = VARVE_STR("127.0.0.1") };
    return headers;
}

/* Admits a request and returns the status it is refused with, or 0. `route` may be NULL. */
static unsigned admit(const char *method, const char *uri, struct request_headers headers, const struct route **route)
{
    char memory[256];
    struct request request = { .method = method, .headers = headers };
    bool admitted = routes_admit(&request, varve_str_of(uri), memory);
    if (route != NULL) *route = request.route;
    assert_true(admitted == (request.answer.status == 0));
    assert_true(admitted == (request.answer.body.len == 0));
    assert_true((request.answer.status == 405) == (request.answer.allow != NULL));
    varve_buf_fini(&request.answer.body);
    return request.answer.status;
}

static void routes_are_found_by_method_and_path(void **state)
{
    const struct route *route = NULL;
    (void)state;
    assert_int_equal(admit("GET", "/streams/order-1?from=3&limit=5", bare(), &route), 0);
    assert_ptr_equal(route->handle, api_stream_read);
    assert_int_equal(admit("HEAD", "/streams/order-1", bare(), &route), 0);
    assert_ptr_equal(route->handle, api_stream_read);
    assert_int_equal(admit("POST", "/streams/order-1", json(), &route), 0);
    assert_ptr_equal(route->handle, api_stream_append);
    assert_int_equal(admit("POST", "/projections/p/rebuild", json(), &route), 0);
    assert_ptr_equal(route->handle, api_projection_rebuild);
    assert_int_equal(admit("GET", "/queries/q?anything=1", bare(), &route), 0);
    assert_ptr_equal(route->handle, api_query);
    assert_int_equal(admit("GET", "/streams?category=order", bare(), &route), 0);
    assert_ptr_equal(route->handle, api_stream_list);
    assert_int_equal(admit("GET", "/aggregates/order-1/diff?from=1&to_at=2026-01-02T03:04:05Z", bare(), &route), 0);
    assert_ptr_equal(route->handle, api_aggregate_diff);
}

static void what_is_no_route_says_so(void **state)
{
    (void)state;
    assert_int_equal(admit("GET", "/", bare(), NULL), 404);
    assert_int_equal(admit("GET", "/stream", bare(), NULL), 404);
    assert_int_equal(admit("GET", "/streams/", bare(), NULL), 404);
    assert_int_equal(admit("GET", "/streams/a/b", bare(), NULL), 404);
    assert_int_equal(admit("DELETE", "/streams/a", bare(), NULL), 405);
    assert_int_equal(admit("POST", "/log", json(), NULL), 405);
    assert_int_equal(admit("GET", "/append", bare(), NULL), 405);
    assert_int_equal(admit("GET", "/streams/%", bare(), NULL), 400);
}

static void what_is_not_built_yet_says_so(void **state)
{
    struct request_headers headers = json();
    (void)state;
    assert_int_equal(admit("GET", "/sagas", bare(), NULL), 501);
    assert_int_equal(admit("POST", "/sagas/1/resolve", json(), NULL), 501);
    assert_int_equal(admit("PUT", "/relays/x", bare(), NULL), 501);
    assert_int_equal(admit("GET", "/openapi.json", bare(), NULL), 501);
    assert_int_equal(admit("POST", "/projections/p/pause?x=1", json(), NULL), 501);
    headers.cloudevent = true;
    assert_int_equal(admit("POST", "/streams/a", headers, NULL), 501);
    headers = json();
    headers.content_type = VARVE_STR("application/cloudevents+json");
    assert_int_equal(admit("POST", "/streams/a", headers, NULL), 501);
}

static void idempotency_keys_are_for_appends(void **state)
{
    struct request_headers headers = json();
    (void)state;
    headers.idempotency_key = VARVE_STR("k");
    assert_int_equal(admit("POST", "/append", headers, NULL), 0);
    assert_int_equal(admit("POST", "/streams/a", headers, NULL), 0);
    assert_int_equal(admit("POST", "/commands/PlaceOrder", headers, NULL), 400);
}

static void unknown_parameters_are_refused(void **state)
{
    (void)state;
    assert_int_equal(admit("GET", "/streams/a?fro=1", bare(), NULL), 400);
    assert_int_equal(admit("GET", "/log?afterwards=1", bare(), NULL), 400);
    assert_int_equal(admit("GET", "/log?=1", bare(), NULL), 400);
    assert_int_equal(admit("GET", "/health/live?x", bare(), NULL), 400);
    assert_int_equal(admit("POST", "/append?x=1", json(), NULL), 400);
}

static void bodies_are_checked_before_they_come(void **state)
{
    struct request_headers headers = json();
    (void)state;
    headers.content_length = 12u << 20;
    assert_int_equal(admit("POST", "/append", headers, NULL), 0);
    headers.content_length++;
    assert_int_equal(admit("POST", "/append", headers, NULL), 413);
    headers = json();
    headers.content_type = VARVE_STR("text/plain");
    assert_int_equal(admit("POST", "/append", headers, NULL), 415);
    headers.content_type = (varve_str){ NULL, 0 };
    assert_int_equal(admit("POST", "/commands/PlaceOrder", headers, NULL), 415);
    assert_int_equal(admit("POST", "/commands", json(), NULL), 415);
    headers = json();
    headers.encoded = true;
    assert_int_equal(admit("POST", "/append", headers, NULL), 415);
    assert_int_equal(admit("GET", "/log", json(), NULL), 400);
}

static void preconditions_belong_to_one_stream(void **state)
{
    struct request_headers headers = json();
    (void)state;
    headers.if_match = VARVE_STR("\"3\"");
    assert_int_equal(admit("POST", "/streams/a", headers, NULL), 0);
    assert_int_equal(admit("POST", "/append", headers, NULL), 400);
    assert_int_equal(admit("POST", "/commands/X", headers, NULL), 400);
}

static void strangers_stay_out(void **state)
{
    struct request_headers headers = json();
    (void)state;
    headers.host = VARVE_STR("evil.example");
    assert_int_equal(admit("POST", "/append", headers, NULL), 421);
    assert_int_equal(admit("GET", "/log", headers, NULL), 421);
    headers = json();
    headers.framing_problem = "Content-Length comes more than once";
    assert_int_equal(admit("POST", "/append", headers, NULL), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_found_by_method_and_path), cmocka_unit_test(what_is_no_route_says_so),
        cmocka_unit_test(what_is_not_built_yet_says_so),       cmocka_unit_test(unknown_parameters_are_refused),
        cmocka_unit_test(bodies_are_checked_before_they_come), cmocka_unit_test(preconditions_belong_to_one_stream),
        cmocka_unit_test(idempotency_keys_are_for_appends),    cmocka_unit_test(strangers_stay_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
