/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for a test, gone afterwards. */
#ifndef VARVE_TESTS_SUPPORT_SCRATCH_H
#define VARVE_TESTS_SUPPORT_SCRATCH_H

struct scratch {
    char folder[64];
    char path[192]; /* the latest scratch_path */
};

/* Makes an empty folder below TMPDIR; ends the test program when that fails. */
void scratch_init(struct scratch *scratch);
/* "FOLDER/name", until the next call. */
const char *scratch_path(struct scratch *scratch, const char *name);
/* Removes the folder and all that is in it. */
void scratch_fini(struct scratch *scratch);

#endif
