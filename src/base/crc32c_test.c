/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"

static void assert_crc(const void *bytes, size_t len, uint32_t expected)
{
    assert_int_equal(crc32c(0, bytes, len), expected);
    assert_int_equal(crc32c_portable(0, bytes, len), expected);
}

/* RFC 3720, appendix B.4, which prints the bytes of the CRC in the order they are sent. */
static void test_vectors_of_the_rfc(void **state)
{
    static const char command[48] = { 0x01, '\xc0', 0, 0, 0, 0, 0, 0, 0,    0, 0, 0,    0, 0, 0, 0,
                                      0x14, 0,      0, 0, 0, 0, 4, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
                                      0x28, 0,      0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0,    0, 0, 0, 0 };
    char bytes[32];

    (void)state;
    memset(bytes, 0, sizeof(bytes));
    assert_crc(bytes, sizeof(bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_crc(bytes, sizeof(bytes), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (char)i;
    assert_crc(bytes, sizeof(bytes), 0x46dd794e);
    for (int i = 0; i < 32; i++) bytes[i] = (char)(31 - i);
    assert_crc(bytes, sizeof(bytes), 0x113fdb5c);
    assert_crc(command, sizeof(command), 0xd9963a56);
    assert_crc("123456789", 9, 0xe3069283);
    assert_crc("", 0, 0);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

/* At any alignment and length, in one piece or two, with the instruction or without. */
static void test_pieces(void **state)
{
    unsigned char bytes[96];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (unsigned char)(i * 167 + 13);
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; len <= sizeof(bytes) - from; len++) {
            uint32_t whole = crc32c_portable(0, bytes + from, len);

            assert_int_equal(crc32c(0, bytes + from, len), whole);
            assert_int_equal(crc32c(crc32c(0, bytes + from, len / 3), bytes + from + len / 3, len - len / 3), whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_the_rfc),
        cmocka_unit_test(test_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
