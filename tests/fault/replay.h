/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a power cut leaves. A replay walks through a disk's recording; at every operation it can
 * rebuild the disk as it could stand after a power cut at that moment. What was flushed is there;
 * what was not is there as the kind of cut says.
 */
#ifndef VARVE_TESTS_FAULT_REPLAY_H
#define VARVE_TESTS_FAULT_REPLAY_H

#include "tests/fault/disk.h"

enum cut {
    CUT_DROPPED, /* nothing that was not flushed */
    CUT_KEPT,    /* everything */
    CUT_MIXED,   /* each sector, each change of the folder or of a size, as a coin falls */
    CUT_TORN,    /* everything but the later sectors of the last write */
    CUTS
};

struct replay;

/* Stands before the first operation. The recording is borrowed. */
struct replay *replay_new(const struct disk_recording *recording);
void replay_free(struct replay *replay);
/* Takes the next operation in. */
void replay_step(struct replay *replay);
/* Whether there is anything that was not flushed; if not, all kinds of cut leave the same. */
bool replay_is_settled(const struct replay *replay);
/* Resets the disk and fills it with what a power cut now would leave; `seed` is the coin's. */
void replay_rebuild(const struct replay *replay, enum cut cut, uint64_t seed, struct disk *disk);

#endif
