/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a target once over every file of the folders named on the command line, in order of name, and
 * over the empty input: what the kept corpus once showed is seen in every test run, with any compiler.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The memory ends with the input, so that reading on is noticed. */
static bool run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    bool done = false;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) goto done;
    long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) goto done;
    data = malloc(size > 0 ? (size_t)size : 1);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) goto done;
    /* Said before it runs, so that the last line names the file that ended the program. */
    printf("%s\n", path);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    done = true;
done:
    if (!done) perror(path);
    free(data);
    if (file != NULL) (void)fclose(file);
    return done;
}

/* How many files were run; -1 when one could not be read. */
static int run_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_visible, by_name), run = 0;

    if (count < 0) perror(folder);
    for (int i = 0; i < count; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (run >= 0) run = run_file(path) ? run + 1 : -1;
        free(entries[i]);
    }
    free(entries);
    return count < 0 ? -1 : run;
}

int main(int argc, char **argv)
{
    int total = 0;

    (void)LLVMFuzzerTestOneInput(NULL, 0);
    for (int i = 1; i < argc; i++) {
        int run = run_folder(argv[i]);
        if (run < 0) return 1;
        total += run;
    }
    printf("%d inputs\n", total);
    /* A corpus that was not found shows nothing. */
    return total > 0 ? 0 : 1;
}
