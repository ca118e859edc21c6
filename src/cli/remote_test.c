/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/remote.h"

static void paths_are_escaped(void **state)
{
    (void)state;
    varve_buf path = { 0 };
    const varve_str types[] = { VARVE_STR("A"), VARVE_STR("B,C") };
    varve_buf_str(&path, VARVE_STR("/streams"));
    remote_segment(&path, VARVE_STR("a b/ü?-._~1"));
    remote_number(&path, "from", 0);
    remote_number(&path, "limit", 18446744073709551615u);
    remote_parameter(&path, "x&", VARVE_STR("=+%"));
    remote_list(&path, "types", types, 2);
    remote_list(&path, "none", types, 0);
    assert_string_equal(path.ptr, "/streams/a%20b%2F%C3%BC%3F-._~1?limit=18446744073709551615&x%26=%3D%2B%25"
                                  "&types=A,B%2CC");
    varve_buf_fini(&path);
}

static void a_problem_names_its_status(void **state)
{
    (void)state;
#define CHECK(name, value, word, meaning) \
    assert_int_equal(remote_problem_status(VARVE_STR("{\"type\":\"urn:varve:problem:" word "\"}")), name);
    VARVE_STATUS_TABLE(CHECK)
#undef CHECK
    assert_int_equal(remote_problem_status(VARVE_STR("{\"type\":\"https://example.org/busy\"}")), VARVE_BUSY);
    assert_int_equal(remote_problem_status(VARVE_STR("{\"type\":\"urn:varve:problem:novelty\"}")), VARVE_IO);
    assert_int_equal(remote_problem_status(VARVE_STR("{\"type\":\"\"}")), VARVE_IO);
    assert_int_equal(remote_problem_status(VARVE_STR("<html>")), VARVE_IO);
}

static void what_is_no_server_is_refused(void **state)
{
    (void)state;
    varve_buf answer = { 0 };
    varve_error error = { 0 };
    const varve_str path = VARVE_STR("/version");
    const varve_str none = { 0 };
    assert_int_equal(remote_ask("127.0.0.1:80", path, NULL, none, &answer, &error), VARVE_INVALID);
    assert_int_equal(remote_ask("file:///etc/passwd", path, NULL, none, &answer, &error), VARVE_INVALID);
    /* Port 1 of this machine: nobody listens there. */
    assert_int_equal(remote_ask("http://127.0.0.1:1/", path, NULL, none, &answer, &error), VARVE_UNAVAILABLE);
    assert_int_equal(remote_ask("http://127.0.0.1:1/", path, "application/json", none, &answer, &error),
                     VARVE_UNAVAILABLE);
    assert_non_null(strstr(error.message, "cannot reach http://127.0.0.1:1:"));
    varve_buf_fini(&answer);
}

/* A server that takes one request and answers with the same text whatever it is, or hangs up. */
struct oracle {
    int listener;
    const char *answer;
};

static void *answer_once(void *ctx)
{
    struct oracle *oracle = ctx;
    char request[4096] = { 0 };
    size_t len = 0;
    int connection = accept(oracle->listener, NULL, NULL);
    ssize_t count = 1;
    while (count > 0 && len < sizeof(request) - 1 && strstr(request, "\r\n\r\n") == NULL) {
        count = read(connection, request + len, sizeof(request) - 1 - len);
        len += count > 0 ? (size_t)count : 0;
    }
    if (write(connection, oracle->answer, strlen(oracle->answer)) < 0) {
        perror("write");
    }
    close(connection);
    return NULL;
}

/* Asks a server that answers with `text`; a POST when `content_type` is not NULL. */
static varve_status ask_oracle(const char *text, const char *content_type, varve_buf *answer, varve_error *error)
{
    struct oracle oracle = { .listener = socket(AF_INET, SOCK_STREAM, 0), .answer = text };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    pthread_t thread;
    char url[64];
    assert_int_equal(bind(oracle.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(oracle.listener, 1), 0);
    assert_int_equal(getsockname(oracle.listener, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&thread, NULL, answer_once, &oracle), 0);
    varve_str body = { 0 };
    varve_status status = remote_ask(url, VARVE_STR("/x"), content_type, body, answer, error);
    pthread_join(thread, NULL);
    close(oracle.listener);
    return status;
}

static void an_answer_says_what_became_of_a_request(void **state)
{
    (void)state;
    static const char json[] = "application/json";
    static const char conflict[] = "HTTP/1.1 412 Precondition Failed\r\nConnection: close\r\n\r\n"
                                   "{\"type\":\"urn:varve:problem:version-conflict\",\"title\":\"t\",\"status\":412,"
                                   "\"detail\":\"it is at version 3\",\"current_version\":3}";
    varve_buf answer = { 0 };
    varve_error error = { 0 };
    assert_int_equal(ask_oracle("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", NULL, &answer, &error), VARVE_OK);
    assert_string_equal(answer.ptr, "{}");
    assert_int_equal(ask_oracle(conflict, json, &answer, &error), VARVE_CONFLICT);
    assert_string_equal(error.message, "it is at version 3");
    assert_int_equal(error.detail, 3);

    /* A proxy's page: what stands behind it may have done what was sent. */
    static const char page[] = "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n<html>";
    assert_int_equal(ask_oracle(page, NULL, &answer, &error), VARVE_UNAVAILABLE);
    assert_int_equal(ask_oracle(page, json, &answer, &error), VARVE_INDETERMINATE);

    /* It hung up: what was read can be read again, what was sent may have been done. */
    static const char part[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{";
    assert_int_equal(ask_oracle("", NULL, &answer, &error), VARVE_UNAVAILABLE);
    assert_int_equal(ask_oracle("", json, &answer, &error), VARVE_INDETERMINATE);
    assert_int_equal(ask_oracle(part, NULL, &answer, &error), VARVE_UNAVAILABLE);
    assert_int_equal(ask_oracle(part, json, &answer, &error), VARVE_INDETERMINATE);
    varve_buf_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_escaped),
        cmocka_unit_test(a_problem_names_its_status),
        cmocka_unit_test(what_is_no_server_is_refused),
        cmocka_unit_test(an_answer_says_what_became_of_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
