/* SPDX-License-Identifier: Apache-2.0 */
/* When records expire: by the server's clock, whatever that of this machine says. */
#include "store/postgres/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/append.h"

#define RETENTION_S 3600u
#define RETENTION   ((varve_time)RETENTION_S * 1000000)
#define YEAR        (INT64_C(365) * 86400 * 1000000)

/* An append with an idempotency key, and the batch of it alone. The key's record is as given; revision 0: none. */
struct keyed {
    struct append *append;
    struct store_append *work;
    struct batch batch;
};

static void decide_keyed(struct keyed *keyed, varve_time now, uint64_t revision, varve_time expires_at)
{
    const varve_event event = { .stream = VARVE_STR("s-1"), .type = VARVE_STR("E") };
    const varve_append_request request = { .events = &event, .event_count = 1, .idempotency_key = VARVE_STR("key") };
    const struct append_options options = { .idempotency_retention_s = RETENTION_S };
    assert_int_equal(append_new(&keyed->append, &request, &options, NULL), VARVE_OK);
    keyed->work = &keyed->append->work;
    const struct store_batch work = { .appends = &keyed->work, .append_count = 1 };
    assert_int_equal(batch_init(&keyed->batch, &work, false, NULL), VARVE_OK);
    keyed->batch.now = now;
    keyed->batch.streams[0].is_known = true;
    keyed->batch.records[0].known = revision;
    keyed->batch.records[0].expires_at = expires_at;
    batch_decide(&keyed->batch);
}

static void keyed_fini(struct keyed *keyed)
{
    batch_fini(&keyed->batch);
    append_free(keyed->append);
}

/* How far the server's clock is off. */
static const varve_time skews[] = { 0, YEAR, -YEAR };

static void a_key_is_kept_for_its_time_by_the_servers_clock(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof skews / sizeof skews[0]; i++) {
        struct keyed keyed;
        varve_time now = varve_time_now() + skews[i];
        decide_keyed(&keyed, now, 0, 0);
        assert_int_equal(keyed.work->status, VARVE_OK);
        assert_int_equal(keyed.work->writes[0].record.expires_at, now + RETENTION);
        /* Decided again later, under the lock. */
        keyed.batch.now = now + 5;
        batch_decide(&keyed.batch);
        assert_int_equal(keyed.work->writes[0].record.expires_at, now + 5 + RETENTION);
        keyed_fini(&keyed);
    }
}

static void a_key_has_expired_when_the_servers_clock_says_so(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof skews / sizeof skews[0]; i++) {
        struct keyed keyed;
        varve_time now = varve_time_now() + skews[i];
        decide_keyed(&keyed, now, 7, now + 1);
        assert_int_equal(keyed.work->status, VARVE_CONFLICT);
        assert_int_equal(keyed.work->failed_write, 1);
        keyed_fini(&keyed);
        decide_keyed(&keyed, now, 7, now - 1);
        assert_int_equal(keyed.work->status, VARVE_OK);
        assert_true(keyed.work->writes[0].record.revision > 7);
        keyed_fini(&keyed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_kept_for_its_time_by_the_servers_clock),
        cmocka_unit_test(a_key_has_expired_when_the_servers_clock_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
