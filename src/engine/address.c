/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static bool is_private_v4(const unsigned char bytes[4])
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } ranges[] = {
        { 0x00000000, 8 },  /* this network */
        { 0x0a000000, 8 },  /* private */
        { 0x64400000, 10 }, /* shared by a provider's customers */
        { 0x7f000000, 8 },  /* loopback */
        { 0xa9fe0000, 16 }, /* link-local, where clouds tell their secrets */
        { 0xac100000, 12 }, /* private */
        { 0xc0000000, 24 }, /* protocol assignments */
        { 0xc0a80000, 16 }, /* private */
        { 0xc6120000, 15 }, /* benchmarks */
        { 0xe0000000, 3 },  /* multicast, reserved, broadcast */
    };
    uint32_t address = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if ((address ^ ranges[i].net) >> (32 - ranges[i].bits) == 0) return true;
    return false;
}

static bool is_private_v6(const unsigned char bytes[16])
{
    static const unsigned char zeros[12], mapped[12] = { [10] = 0xff, [11] = 0xff };
    static const unsigned char translated[12] = { 0x00, 0x64, 0xff, 0x9b };
    if (memcmp(bytes, zeros, 12) == 0) return true; /* ::, ::1, and IPv4-compatible ones, which nobody routes */
    if (memcmp(bytes, mapped, 12) == 0 || memcmp(bytes, translated, 12) == 0) return is_private_v4(bytes + 12);
    if (bytes[0] == 0x20 && bytes[1] == 0x02) return is_private_v4(bytes + 2); /* 6to4 */
    return (bytes[0] & 0xe0) != 0x20; /* only 2000::/3 is public: fc00::/7, fe80::/10, ff00::/8 are not in it */
}

bool address_is_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return is_private_v4((const unsigned char *)&v4.sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return is_private_v6(v6.sin6_addr.s6_addr);
    }
    return true;
}
