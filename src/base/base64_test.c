/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/base64.h"

static const struct {
    varve_str bytes;
    varve_str text;
} vectors[] = {
    /* RFC 4648, section 10 */
    { { "", 0 }, { "", 0 } },
    { { "f", 1 }, { "Zg==", 4 } },
    { { "fo", 2 }, { "Zm8=", 4 } },
    { { "foo", 3 }, { "Zm9v", 4 } },
    { { "foob", 4 }, { "Zm9vYg==", 8 } },
    { { "fooba", 5 }, { "Zm9vYmE=", 8 } },
    { { "foobar", 6 }, { "Zm9vYmFy", 8 } },
    { { "\xfb\xff\xbf\x00", 4 }, { "+/+/AA==", 8 } },
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        varve_buf out = { 0 };

        base64_encode(vectors[i].bytes, &out);
        assert_true(varve_str_eq(varve_buf_view(&out), vectors[i].text));
        varve_buf_reset(&out);
        assert_true(base64_decode(vectors[i].text, &out));
        assert_true(varve_str_eq(varve_buf_view(&out), vectors[i].bytes));
        varve_buf_fini(&out);
    }
}

static void test_every_byte_at_every_length(void **state)
{
    varve_buf text = { 0 }, back = { 0 };
    char bytes[256];

    (void)state;
    for (int i = 0; i < 256; i++) bytes[i] = (char)(i * 7);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        varve_buf_reset(&text);
        varve_buf_reset(&back);
        base64_encode((varve_str){ bytes, len }, &text);
        assert_int_equal(text.len, (len + 2) / 3 * 4);
        assert_true(base64_decode(varve_buf_view(&text), &back));
        assert_true(varve_str_eq(varve_buf_view(&back), (varve_str){ bytes, len }));
    }
    varve_buf_fini(&text);
    varve_buf_fini(&back);
}

static void test_refuses_what_is_not_canonical(void **state)
{
    static const char *const texts[] = {
        "Z",      "Zg",   "Zg=",   "Zh==", "Zm9=", "====", "Z===",      "Zg==Zg==",
        "Zm9v\n", "Zm-_", "Zm9v=", "Z=9v", "Zm=v", " Zm9", "Zm9v Zm9v", "\xff\xff\xff\xff"
    };
    varve_buf out = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(base64_decode(varve_str_of(texts[i]), &out));
    varve_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_byte_at_every_length),
        cmocka_unit_test(test_refuses_what_is_not_canonical),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
