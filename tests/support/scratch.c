/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void scratch_init(struct scratch *scratch)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || strlen(parent) > 40) parent = "/tmp";
    snprintf(scratch->folder, sizeof scratch->folder, "%s/varve-XXXXXX", parent);
    if (mkdtemp(scratch->folder) != NULL) return;
    perror(scratch->folder);
    exit(1);
}

const char *scratch_path(struct scratch *scratch, const char *name)
{
    snprintf(scratch->path, sizeof scratch->path, "%s/%s", scratch->folder, name);
    return scratch->path;
}

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

void scratch_fini(struct scratch *scratch)
{
    nftw(scratch->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
