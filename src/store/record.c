/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include "base/crc32c.h"

uint64_t record_next_revision(uint64_t revision, varve_time now)
{
    return revision >= (uint64_t)now ? revision + 1 : (uint64_t)now;
}

/* Texts are followed by a zero byte, which none of them holds, so that each knows where it ends. */
uint32_t record_checksum(const struct store_record *record)
{
    uint64_t numbers[] = { record->revision, (uint64_t)record->expires_at };
    unsigned char bytes[sizeof numbers];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(numbers[i / 8] >> i % 8 * 8);
    uint32_t crc = crc32c(0, bytes, sizeof bytes);
    const varve_str texts[] = { record->space, record->key, record->value };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        crc = crc32c(crc, texts[i].ptr, texts[i].len);
        crc = crc32c(crc, "", 1);
    }
    return crc;
}
