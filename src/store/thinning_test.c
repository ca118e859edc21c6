/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/thinning.h"

/* A stream's snapshots, newest first, thinned whenever one is added. */
struct kept {
    uint64_t versions[THINNING_SNAPSHOTS_MAX];
    size_t count;
};

static void add(struct kept *kept, uint64_t version)
{
    bool surplus[THINNING_SNAPSHOTS_MAX];
    size_t count = kept->count + 1;
    assert_true(count <= THINNING_SNAPSHOTS_MAX);
    memmove(&kept->versions[1], kept->versions, kept->count * sizeof kept->versions[0]);
    kept->versions[0] = version;
    thinning_choose(kept->versions, count, surplus);
    assert_false(surplus[0]);
    kept->count = 0;
    for (size_t i = 0; i < count; i++)
        if (!surplus[i]) kept->versions[kept->count++] = kept->versions[i];
}

/* How many events are folded to have the state at `version`. */
static uint64_t cost(const struct kept *kept, uint64_t version)
{
    for (size_t i = 0; i < kept->count; i++)
        if (kept->versions[i] <= version) return version - kept->versions[i];
    return version;
}

static void assert_kept(const struct kept *kept, const char *expected)
{
    char text[1024] = "";
    size_t len = 0;
    for (size_t i = 0; i < kept->count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%llu ", (unsigned long long)kept->versions[i]);
    assert_string_equal(text, expected);
}

static void test_the_newest_stay_and_older_ones_become_sparse(void **state)
{
    (void)state;
    struct kept kept = { .count = 0 };
    thinning_choose(kept.versions, 0, NULL);
    add(&kept, 50);
    assert_kept(&kept, "50 ");
    add(&kept, 100);
    add(&kept, 150);
    assert_kept(&kept, "150 100 50 ");
    for (uint64_t version = 200; version <= 1000; version += 50) add(&kept, version);
    assert_kept(&kept, "1000 950 900 850 800 700 600 400 200 ");
}

static void assert_the_past_is_near(uint64_t every, uint64_t length, size_t most)
{
    struct kept kept = { .count = 0 };
    for (uint64_t version = every; version <= length; version += every) {
        add(&kept, version);
        assert_true(kept.count <= most);
    }
    for (uint64_t version = 1; version <= length; version++) {
        uint64_t distance = kept.versions[0] > version ? kept.versions[0] - version : 0;
        uint64_t limit = distance / 2 > every ? distance / 2 : every;
        if (cost(&kept, version) > limit)
            fail_msg("version %llu of %llu costs %llu events", (unsigned long long)version, (unsigned long long)length,
                     (unsigned long long)cost(&kept, version));
    }
}

static void test_the_past_costs_half_its_distance(void **state)
{
    (void)state;
    for (uint64_t length = 50; length <= 3000; length += 50) assert_the_past_is_near(50, length, 16);
    assert_the_past_is_near(50, 1000, 10);
    assert_the_past_is_near(50, 1000000, 39);
    assert_the_past_is_near(1, 100000, 56);
    assert_the_past_is_near(7, 10000, 40);
}

static void test_versions_at_the_end_of_their_range(void **state)
{
    (void)state;
    const uint64_t versions[] = { INT64_MAX, INT64_MAX - 1, 2, 1 };
    bool surplus[4];
    thinning_choose(versions, 4, surplus);
    assert_false(surplus[1]);
    assert_false(surplus[2]); /* nothing newer is anywhere near */
    assert_true(surplus[3]);  /* the beginning is as good */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_stay_and_older_ones_become_sparse),
        cmocka_unit_test(test_the_past_costs_half_its_distance),
        cmocka_unit_test(test_versions_at_the_end_of_their_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
