/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/scenario/http_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define SILENCE_MS 20000

/* ---- the application ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held, stalled;
} gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false };

static void set_gate(bool held)
{
    pthread_mutex_lock(&gate.lock);
    gate.held = held;
    gate.stalled = false;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

void fixture_release(void)
{
    set_gate(false);
}

void fixture_hold(void)
{
    set_gate(true);
}

void fixture_await_stall(void)
{
    pthread_mutex_lock(&gate.lock);
    while (!gate.stalled) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static varve_status add(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    int64_t amount = 0;
    (void)state;
    varve_status status = varve_json_int(command->data, "amount", &amount, error);
    if (status < 0) return varve_reject(decision, "no_amount", "amount is a number");
    if (amount < 1 || amount > 100) return varve_reject(decision, "out_of_range", "%lld", (long long)amount);
    varve_event event = { .type = VARVE_STR("Added"), .data = command->data };
    return varve_emit(decision, &event);
}

static varve_status stall(const void *state, const varve_command *command, varve_decision *decision, varve_error *error)
{
    varve_event event = { .type = VARVE_STR("Stalled") };
    (void)state;
    (void)command;
    (void)error;
    pthread_mutex_lock(&gate.lock);
    gate.stalled = true;
    pthread_cond_broadcast(&gate.changed);
    while (gate.held) pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return varve_emit(decision, &event);
}

static varve_status evolve(void *state, const varve_event *event, varve_error *error)
{
    int64_t amount = 0;
    if (!varve_str_is(event->type, "Added")) return VARVE_OK;
    varve_status status = varve_json_int(event->data, "amount", &amount, error);
    *(int64_t *)state += amount;
    return status;
}

static varve_status encode(const void *state, varve_buf *json, varve_error *error)
{
    (void)error;
    varve_buf_printf(json, "{\"total\":%lld}", (long long)*(const int64_t *)state);
    return VARVE_OK;
}

static const varve_command_handler commands[] = { { "Add", add }, { "Stall", stall }, { NULL, NULL } };

static const varve_decider tally = {
    .category = "tally",
    .state_size = sizeof(int64_t),
    .snapshot_every = VARVE_NO_SNAPSHOTS,
    .evolve = evolve,
    .commands = commands,
    .encode = encode,
};

static const char projection[] = "-- @projection tallies\n"
                                 "-- @version 1\n"
                                 "-- @create\n"
                                 "CREATE TABLE totals (tally TEXT PRIMARY KEY, total BIGINT NOT NULL);\n"
                                 "-- @on Added\n"
                                 "INSERT INTO totals VALUES (:stream, :data.amount)\n"
                                 "ON CONFLICT (tally) DO UPDATE SET total = totals.total + excluded.total;\n";

static const char query[] = "-- @query tally_total\n"
                            "-- @reads tallies\n"
                            "-- @param tally text\n"
                            "SELECT tally, total FROM tallies.totals WHERE tally = :tally ORDER BY tally\n";

static void must(varve_status status, const varve_error *error)
{
    if (status >= 0) return;
    fprintf(stderr, "the fixture cannot start: %s\n", error->message);
    exit(1);
}

void fixture_init(struct fixture *fixture, uint32_t heartbeat_ms)
{
    varve_error error = { 0 };
    *fixture = (struct fixture){ 0 };
    scratch_init(&fixture->scratch);
    snprintf(fixture->uri, sizeof fixture->uri, "sqlite:%s", scratch_path(&fixture->scratch, "store.db"));
#ifdef VARVE_WITH_POSTGRES
    fixture->on_postgres = getenv("VARVE_TEST_STORE") != NULL;
    if (fixture->on_postgres) {
        postgres_init(&fixture->postgres);
        snprintf(fixture->uri, sizeof fixture->uri, "%s", postgres_uri(&fixture->postgres, NULL));
    }
#endif
    varve_engine_options options = { .store = fixture->uri };
    must(varve_engine_open(&fixture->engine, &options, &error), &error);
    must(varve_engine_add_decider(fixture->engine, &tally, NULL, &error), &error);
    must(varve_engine_add_projection(fixture->engine, "tallies.sql", varve_str_of(projection), &error), &error);
    must(varve_engine_add_query(fixture->engine, "tally_total.sql", varve_str_of(query), &error), &error);
    must(varve_engine_start(fixture->engine, &error), &error);
    struct server_options server = {
        .engine = fixture->engine,
        .listen = "127.0.0.1:0",
        .heartbeat_ms = heartbeat_ms,
        .page_positions = FIXTURE_PAGE_POSITIONS,
    };
    must(server_open(&fixture->server, &server, &error), &error);
}

struct fixture fixture_beside(const struct fixture *fixture, const struct server_options *options)
{
    varve_error error = { 0 };
    struct fixture beside = { .engine = fixture->engine };
    struct server_options server = *options;
    server.listen = "127.0.0.1:0";
    if (server.engine == NULL) server.engine = fixture->engine;
    must(server_open(&beside.server, &server, &error), &error);
    return beside;
}

void fixture_fini(struct fixture *fixture)
{
    server_close(fixture->server);
    varve_engine_close(fixture->engine);
#ifdef VARVE_WITH_POSTGRES
    if (fixture->on_postgres) postgres_fini(&fixture->postgres);
#endif
    scratch_fini(&fixture->scratch);
}

/* ---- a client ---- */

void reply_fini(struct reply *reply)
{
    varve_buf_fini(&reply->head);
    varve_buf_fini(&reply->body);
}

const char *reply_header(const struct reply *reply, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = reply->head.ptr; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') return line + len + 2;
    }
    return NULL;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    varve_buf_add(ctx, bytes, size * count);
    return size * count;
}

static struct curl_slist *header_lines(const char *headers, const char *body)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    if (body != NULL && (headers == NULL || strcasestr(headers, "content-type:") == NULL)) {
        list = curl_slist_append(list, "Content-Type: application/json");
    }
    while (headers != NULL && *headers != '\0') {
        char line[256];
        size_t len = strcspn(headers, "\n");
        snprintf(line, sizeof line, "%.*s", (int)len, headers);
        list = curl_slist_append(list, line);
        headers += headers[len] == '\n' ? len + 1 : len;
    }
    return list;
}

void http_send(const struct fixture *fixture, const char *method, const char *path, const char *headers,
               const char *body, struct reply *reply)
{
    char url[1024];
    CURL *curl = curl_easy_init();
    struct curl_slist *list = header_lines(headers, body);
    assert_non_null(curl);
    snprintf(url, sizeof url, "http://%s%s", server_address(fixture->server), path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)SILENCE_MS * 3);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply->body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply->head);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) fail_msg("%s %s: %s", method, path, curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    varve_buf_add(&reply->body, "", 0);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
}

void http_expect(const struct fixture *fixture, const char *method, const char *path, const char *headers,
                 const char *sent, long status, const char *body)
{
    struct reply reply = { 0 };
    http_send(fixture, method, path, headers, sent, &reply);
    const char *got = reply.body.len == 0 ? "" : reply.body.ptr;
    const char *open_end = strstr(body, "…");
    size_t len = open_end == NULL ? strlen(body) : (size_t)(open_end - body);
    bool same = strncmp(got, body, len) == 0 && (open_end != NULL || got[len] == '\0');
    if (reply.status != status || !same) {
        fail_msg("%s %s\nanswered %ld %.2000s\nexpected %ld %s", method, path, reply.status, got, status, body);
    }
    reply_fini(&reply);
}

/* ---- the bare wire ---- */

int wire_open(const struct fixture *fixture)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(server_port(fixture->server)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void wire_send(int fd, const char *bytes)
{
    size_t len = strlen(bytes);
    while (len > 0) {
        ssize_t count = send(fd, bytes, len, MSG_NOSIGNAL);
        assert_true(count > 0);
        bytes += count;
        len -= (size_t)count;
    }
}

/* One piece; false at the end of the connection. */
static bool wire_read(int fd, varve_buf *text)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    char bytes[16384];
    if (poll(&wait, 1, SILENCE_MS) != 1) fail_msg("nothing came after: %s", text->len == 0 ? "" : text->ptr);
    ssize_t count = recv(fd, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    varve_buf_add(text, bytes, (size_t)count);
    return true;
}

bool wire_until(int fd, varve_buf *text, const char *what)
{
    while (text->len == 0 || strstr(text->ptr, what) == NULL) {
        if (!wire_read(fd, text)) return false;
    }
    return true;
}

void wire_await_refusal(const struct fixture *closing)
{
    varve_buf refused = { 0 };
    while (refused.len == 0 || strstr(refused.ptr, "HTTP/1.1 503 ") == NULL) {
        int late = wire_open(closing);
        varve_buf_reset(&refused);
        wire_send(late, "GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_true(wire_until(late, &refused, "}"));
        close(late);
    }
    assert_non_null(strstr(refused.ptr, "urn:varve:problem:unavailable"));
    assert_non_null(strstr(refused.ptr, "Connection: close\r\n"));
    assert_non_null(strstr(refused.ptr, "Retry-After: 1\r\n"));
    varve_buf_fini(&refused);
}

void wire_rest(int fd, varve_buf *text)
{
    while (wire_read(fd, text)) {
    }
}
