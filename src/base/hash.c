/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

/* Both halves of the 128-bit product folded together: every input bit reaches every output bit. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_str(varve_str text)
{
    /* Odd numbers with irregular bits: the fractional parts of the square roots of 2, 3 and 5. */
    const uint64_t k1 = 0x6a09e667f3bcc909u, k2 = 0xbb67ae8584caa73bu, k3 = 0x3c6ef372fe94f82bu;
    uint64_t hash = k1 ^ text.len;
    const char *at = text.ptr;
    size_t left = text.len;
    uint64_t pair[2];

    for (; left > sizeof(pair); left -= sizeof(pair), at += sizeof(pair)) {
        memcpy(pair, at, sizeof(pair));
        hash = fold(hash ^ pair[0] ^ k2, pair[1] ^ k3);
    }
    memset(pair, 0, sizeof(pair));
    if (left > 0) memcpy(pair, at, left);
    hash = fold(hash ^ pair[0] ^ k2, pair[1] ^ k3);
    return fold(hash ^ k3, k1);
}
