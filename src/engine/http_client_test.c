/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "engine/http_client.h"

/* ---- a server on this machine, one request a connection ---- */

struct server {
    pthread_t thread;
    int listener;
    unsigned port;
    atomic_uint requests, busy; /* `busy`: so many requests for /busy are refused */
};

static struct server server;

static void answer(int client, unsigned status, const char *headers, const char *body)
{
    dprintf(client, "HTTP/1.1 %u X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s", status, strlen(body),
            headers, body);
}

static bool is_for(const char *request, const char *path)
{
    const char *at = strchr(request, ' ');
    return at != NULL && strncmp(at + 1, path, strlen(path)) == 0;
}

static void serve(int client, const char *request)
{
    server.requests++;
    if (is_for(request, "/silent")) {
        char byte;
        (void)!read(client, &byte, 1); /* until the other side gives up */
    } else if (is_for(request, "/busy") && server.busy > 0) {
        server.busy--;
        answer(client, 503, "", "later");
    } else if (is_for(request, "/missing")) {
        answer(client, 404, "", "no");
    } else if (is_for(request, "/moved")) {
        answer(client, 302, "Location: /ok\r\n", "");
    } else if (is_for(request, "/elsewhere")) {
        char headers[64]; /* another origin, though it is here too */
        snprintf(headers, sizeof headers, "Location: http://localhost:%u/echo\r\n", server.port);
        answer(client, 302, headers, "");
    } else if (is_for(request, "/away")) {
        answer(client, 302, "Location: file:///etc/passwd\r\n", "");
    } else if (is_for(request, "/round")) {
        answer(client, 302, "Location: /round\r\n", "");
    } else if (is_for(request, "/large")) {
        dprintf(client, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n");
        for (int i = 0; i < 2048; i++) dprintf(client, "%01024d", i);
    } else if (is_for(request, "/echo")) {
        answer(client, 200, "Content-Type: text/plain\r\n", request);
    } else {
        answer(client, 200, "Content-Type: application/json; charset=utf-8\r\n", "{\"stock\":7}");
    }
}

/* Headers, and a body of which all that these tests send comes with them or right after. */
static void read_request(int client, char *request, size_t size)
{
    size_t len = 0;
    ssize_t got = 0;
    size_t wanted = 0;
    while (len < size - 1 && (wanted == 0 || len < wanted) && (got = read(client, request + len, size - 1 - len)) > 0) {
        len += (size_t)got;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length: ");
        if (end == NULL) continue;
        wanted = (size_t)(end + 4 - request) + (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
    }
    request[len] = '\0';
}

static void *run_server(void *ctx)
{
    int client;
    (void)ctx;
    while ((client = accept(server.listener, NULL, NULL)) >= 0) {
        char request[4096];
        read_request(client, request, sizeof request);
        if (request[0] != '\0') serve(client, request);
        close(client);
    }
    return NULL;
}

static int start_server(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    (void)state;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server.listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(server.listener, 16) != 0)
        return -1;
    getsockname(server.listener, (struct sockaddr *)&address, &len);
    server.port = ntohs(address.sin_port);
    return pthread_create(&server.thread, NULL, run_server, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    return 0;
}

/* ---- asking it ---- */

static atomic_bool stopping;

static varve_status fetch(bool allow_private, const char *path, varve_http_request request, uint32_t ms,
                          varve_http_response *response, varve_error *error)
{
    struct http_client *client = NULL;
    char url[128];
    const struct http_until until = { clock_ns() + ms * UINT64_C(1000000), &stopping };
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server.port, path);
    request.url = varve_str_of(url);
    server.requests = 0;
    assert_int_equal(http_client_open(&client, allow_private, error), VARVE_OK);
    varve_status status = http_client_fetch(client, &request, &until, response, error);
    http_client_close(client);
    return status;
}

static varve_status get(const char *path, uint32_t ms, varve_http_response *response, varve_error *error)
{
    varve_http_request request = { 0 };
    return fetch(true, path, request, ms, response, error);
}

static void an_answer_is_told_whatever_it_is(void **state)
{
    (void)state;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    assert_int_equal(get("/ok", 10000, &response, &error), VARVE_OK);
    assert_int_equal(response.status, 200);
    assert_true(varve_str_is(response.content_type, "application/json; charset=utf-8"));
    assert_true(varve_str_is(response.body, "{\"stock\":7}"));
    varve_http_response_fini(&response);
    assert_int_equal(get("/missing", 10000, &response, &error), VARVE_OK);
    assert_int_equal(response.status, 404);
    assert_int_equal(server.requests, 1);
    varve_http_response_fini(&response);
}

static void what_is_sent_arrives(void **state)
{
    (void)state;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    const varve_http_header header = { VARVE_STR("X-Key"), VARVE_STR("a b") };
    varve_http_request request = { .headers = &header, .header_count = 1, .body = VARVE_STR("{\"sku\":1}") };
    assert_int_equal(fetch(true, "/echo", request, 10000, &response, &error), VARVE_OK);
    assert_non_null(memmem(response.body.ptr, response.body.len, "POST /echo", 10));
    assert_non_null(memmem(response.body.ptr, response.body.len, "X-Key: a b\r\n", 12));
    assert_non_null(memmem(response.body.ptr, response.body.len, "\r\n\r\n{\"sku\":1}", 13));
    varve_http_response_fini(&response);
    request = (varve_http_request){ .method = VARVE_STR("PUT") };
    assert_int_equal(fetch(true, "/echo", request, 10000, &response, &error), VARVE_OK);
    assert_memory_equal(response.body.ptr, "PUT /echo", 9);
    varve_http_response_fini(&response);
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    struct http_client *client = NULL;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    const struct http_until until = { UINT64_MAX, &stopping };
    const varve_http_header bad[] = { { VARVE_STR("X"), VARVE_STR("a\r\nHost: b") },
                                      { VARVE_STR("X Y"), VARVE_STR("") } };
    const varve_http_request requests[] = {
        { .url = VARVE_STR("file:///etc/passwd") },
        { .url = VARVE_STR("gopher://127.0.0.1/") },
        { .url = VARVE_STR("") },
        { .url = VARVE_STR("http://127.0.0.1/\r\nX: y") },
        { .url = VARVE_STR("http://127.0.0.1/"), .method = VARVE_STR("GET /") },
        { .url = VARVE_STR("http://127.0.0.1/"), .method = VARVE_STR("HEAD"), .body = VARVE_STR("x") },
        { .url = VARVE_STR("http://127.0.0.1/"), .retries = VARVE_HTTP_RETRIES_MAX + 1 },
        { .url = VARVE_STR("http://127.0.0.1/"), .headers = &bad[0], .header_count = 1 },
        { .url = VARVE_STR("http://127.0.0.1/"), .headers = &bad[1], .header_count = 1 },
    };
    assert_int_equal(http_client_open(&client, true, &error), VARVE_OK);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        assert_int_equal(http_client_fetch(client, &requests[i], &until, &response, &error), VARVE_INVALID);
    http_client_close(client);
}

static void private_addresses_are_for_those_that_may(void **state)
{
    (void)state;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    varve_http_request request = { 0 };
    assert_int_equal(fetch(false, "/ok", request, 10000, &response, &error), VARVE_DENIED);
    assert_non_null(strstr(error.message, "127.0.0.1"));
    assert_int_equal(server.requests, 0);
}

static void redirects_are_followed_and_not_for_ever(void **state)
{
    (void)state;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    varve_http_request once = { .retries = -1 };
    assert_int_equal(get("/moved", 10000, &response, &error), VARVE_OK);
    assert_int_equal(response.status, 200);
    assert_int_equal(server.requests, 2);
    varve_http_response_fini(&response);
    assert_int_equal(fetch(true, "/round", once, 10000, &response, &error), VARVE_UNAVAILABLE);
    assert_int_equal(server.requests, 4);
    assert_true(fetch(true, "/away", once, 10000, &response, &error) < 0);
    assert_int_equal(server.requests, 1);
}

/* What was sent along is for whom it was given to; and what is not safe is sent once. */
static void what_is_sent_goes_no_further(void **state)
{
    (void)state;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    const varve_http_header key = { VARVE_STR("X-Key"), VARVE_STR("secret") };
    varve_http_request with_key = { .headers = &key, .header_count = 1 };
    assert_int_equal(fetch(true, "/moved", with_key, 10000, &response, &error), VARVE_OK);
    assert_int_equal(response.status, 200);
    assert_int_equal(server.requests, 2);
    varve_http_response_fini(&response);
    assert_int_equal(fetch(true, "/elsewhere", with_key, 10000, &response, &error), VARVE_OK);
    assert_int_equal(response.status, 302);
    varve_http_response_fini(&response);
    const char *const methods[] = { "POST", "PUT", "DELETE" };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        varve_http_request request = { .method = varve_str_of(methods[i]) };
        assert_int_equal(fetch(true, "/moved", request, 10000, &response, &error), VARVE_OK);
        assert_int_equal(response.status, 302);
        assert_int_equal(server.requests, 1);
        varve_http_response_fini(&response);
    }
    varve_http_request head = { .method = VARVE_STR("HEAD") };
    assert_int_equal(fetch(true, "/moved", head, 10000, &response, &error), VARVE_OK);
    assert_int_equal(response.status, 200);
    varve_http_response_fini(&response);
}

/* Whoever sent the command, and the log, get to see the message. */
static void a_failure_tells_no_more_than_the_origin(void **state)
{
    (void)state;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    struct http_client *client = NULL;
    const struct http_until until = { clock_ns() + UINT64_C(10000000000), &stopping };
    varve_http_request request = { .url = VARVE_STR("http://me:hush@127.0.0.1:1/hush?key=hush"), .retries = -1 };
    for (int may = 0; may < 2; may++) {
        assert_int_equal(http_client_open(&client, may != 0, &error), VARVE_OK);
        assert_int_equal(http_client_fetch(client, &request, &until, &response, &error),
                         may ? VARVE_UNAVAILABLE : VARVE_DENIED);
        assert_null(strstr(error.message, "hush"));
        assert_non_null(strstr(error.message, "http://127.0.0.1:1"));
        http_client_close(client);
    }
    assert_int_equal(get("/silent?key=hush", 50, &response, &error), VARVE_TIMEOUT);
    assert_null(strstr(error.message, "hush"));
    assert_int_equal(get("/ok?key=hush", 0, &response, &error), VARVE_TIMEOUT);
    assert_null(strstr(error.message, "hush"));
}

static void what_may_pass_is_tried_again(void **state)
{
    (void)state;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    server.busy = 2;
    assert_int_equal(get("/busy", 10000, &response, &error), VARVE_OK);
    assert_int_equal(response.status, 200);
    assert_int_equal(server.requests, 3);
    varve_http_response_fini(&response);
    server.busy = 9;
    assert_int_equal(get("/busy", 10000, &response, &error), VARVE_OK);
    assert_int_equal(response.status, 503);
    assert_int_equal(server.requests, 3);
    varve_http_response_fini(&response);
    varve_http_request request = { .body = VARVE_STR("x") }; /* it may have been done */
    assert_int_equal(fetch(true, "/busy", request, 10000, &response, &error), VARVE_OK);
    assert_int_equal(server.requests, 1);
    varve_http_response_fini(&response);
    server.busy = 0;
}

static void everything_is_bounded(void **state)
{
    (void)state;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    uint64_t begun = clock_ns();
    assert_int_equal(get("/large", 10000, &response, &error), VARVE_TOO_LARGE);
    assert_int_equal(get("/silent", 300, &response, &error), VARVE_TIMEOUT);
    varve_http_request request = { .timeout_ms = 50 };
    assert_int_equal(fetch(true, "/silent", request, 10000, &response, &error), VARVE_TIMEOUT);
    assert_int_equal(server.requests, 3);
    assert_int_equal(get("/ok", 0, &response, &error), VARVE_TIMEOUT);
    assert_true(clock_ns() - begun < UINT64_C(20000000000));
    assert_null(response.memory);
}

static void *stop_soon(void *ctx)
{
    (void)ctx;
    while (server.requests == 0) sched_yield();
    stopping = true;
    return NULL;
}

static void an_engine_that_stops_does_not_wait(void **state)
{
    (void)state;
    pthread_t thread;
    varve_http_response response = { 0 };
    varve_error error = { 0 };
    uint64_t begun = clock_ns();
    server.requests = 0;
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
    assert_int_equal(get("/silent", 60000, &response, &error), VARVE_UNAVAILABLE);
    assert_true(clock_ns() - begun < UINT64_C(20000000000));
    pthread_join(thread, NULL);
    stopping = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_told_whatever_it_is),
        cmocka_unit_test(what_is_sent_arrives),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(private_addresses_are_for_those_that_may),
        cmocka_unit_test(redirects_are_followed_and_not_for_ever),
        cmocka_unit_test(what_is_sent_goes_no_further),
        cmocka_unit_test(a_failure_tells_no_more_than_the_origin),
        cmocka_unit_test(what_may_pass_is_tried_again),
        cmocka_unit_test(everything_is_bounded),
        cmocka_unit_test(an_engine_that_stops_does_not_wait),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
