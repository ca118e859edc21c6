/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stored_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t stored_hash(varve_str text)
{
    return XXH3_64bits(text.len == 0 ? "" : text.ptr, text.len);
}
