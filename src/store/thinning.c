/* SPDX-License-Identifier: Apache-2.0 */
#include "store/thinning.h"

void thinning_choose(const uint64_t *versions, size_t count, bool *surplus)
{
    uint64_t newer = 0; /* how far the last one that stays is behind the newest */
    if (count > 0) surplus[0] = false;
    for (size_t i = 1; i < count; i++) {
        uint64_t older = versions[0] - (i + 1 < count ? versions[i + 1] : 0);
        surplus[i] = older <= newer + newer / 2;
        if (!surplus[i]) newer = versions[0] - versions[i];
    }
}
