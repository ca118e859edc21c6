/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "engine/address.h"

static bool is_private(const char *text)
{
    struct sockaddr_storage storage = { 0 };
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        storage.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        storage.ss_family = AF_INET6;
    else
        fail_msg("%s is no address", text);
    return address_is_private((const struct sockaddr *)&storage);
}

static void the_house_is_told_from_the_world(void **state)
{
    (void)state;
    static const char *const inside[] = {
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    };
    static const char *const outside[] = {
        "1.1.1.1",         "9.255.255.255",  "11.0.0.0",         "100.63.255.255",  "100.128.0.0",
        "126.255.255.255", "128.0.0.0",      "169.253.0.1",      "172.15.255.255",  "172.32.0.0",
        "192.167.0.1",     "192.169.0.0",    "198.20.0.0",       "223.255.255.255", "2606:4700::1111",
        "2001:db8::1",     "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1",
    };
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        if (!is_private(inside[i])) fail_msg("%s is not private", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        if (is_private(outside[i])) fail_msg("%s is private", outside[i]);
    struct sockaddr other = { .sa_family = AF_UNIX };
    assert_true(address_is_private(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_house_is_told_from_the_world) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
