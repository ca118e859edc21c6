/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/exit_code.h"
#include "cli/options.h"

int main(int argc, char **argv)
{
    struct call call = { 0 };
    varve_error error = { 0 };
    varve_status status = call_init(&call, argc, argv, &error);
    if (status == VARVE_OK) {
        status = call.verb->run(&call, &error);
    }
    call_fini(&call);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        status = varve_error_set(&error, VARVE_IO, "cannot write to standard output");
    }
    if (status < 0) {
        fprintf(stderr, "varve: %s\n", error.message);
    }
    return exit_code(status);
}
