/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a stream's snapshots are kept for reading the past. Pure; the same for every driver. */
#ifndef VARVE_STORE_THINNING_H
#define VARVE_STORE_THINNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * More snapshots than the rule ever keeps of one stream: the distances of every second one grow by half,
 * and 1.5^108 is more than any version.
 */
#define THINNING_SNAPSHOTS_MAX 256u

/*
 * Chooses what to drop. `versions` are those of all snapshots of one stream, the newest first; surplus[i] becomes
 * true when the i-th can go.
 *
 * The rule: a snapshot goes when its neighbours lie close together as seen from the newest one: when the older
 * neighbour (or the stream's beginning) is at most half as far again as the newer. So the newest stay,
 * older ones become exponentially sparser, and to read the state as it was D events before the newest
 * snapshot costs at most D / 2 events, or the events between two snapshots when those are more. With a snapshot
 * every 50 events a stream of 1,000 keeps 10 of them at most, one of 1,000,000 keeps 39.
 */
void thinning_choose(const uint64_t *versions, size_t count, bool *surplus);

#endif
