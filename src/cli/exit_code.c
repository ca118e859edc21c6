/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/exit_code.h"

int exit_code(varve_status status)
{
    switch (status) {
    case VARVE_OK:
    case VARVE_DONE:
    case VARVE_CAUGHT_UP:
    case VARVE_IDLE:
    case VARVE_SKIPPED:
    case VARVE_REPEATED:
        return EXIT_DONE;
    case VARVE_REJECTED:
        return EXIT_REJECTED;
    case VARVE_INVALID:
    case VARVE_TOO_LARGE:
    case VARVE_SCHEMA_MISMATCH:
    case VARVE_UNSUPPORTED:
        return EXIT_USAGE;
    case VARVE_NOT_FOUND:
        return EXIT_NOT_FOUND;
    case VARVE_CONFLICT:
    case VARVE_ID_CONFLICT:
    case VARVE_KEY_CONFLICT:
    case VARVE_PROJECTION_REFUSED:
        return EXIT_CONFLICT;
    case VARVE_BUSY:
    case VARVE_UNAVAILABLE:
    case VARVE_TIMEOUT:
    case VARVE_ENRICH_FAILED:
    case VARVE_LOCKED:
        return EXIT_UNAVAILABLE;
    case VARVE_DENIED:
        return EXIT_DENIED;
    case VARVE_CORRUPT:
    case VARVE_REWOUND:
        return EXIT_INTEGRITY;
    case VARVE_INDETERMINATE:
        return EXIT_UNKNOWN_OUTCOME;
    case VARVE_FULL:
    case VARVE_IO:
    case VARVE_NOMEM:
    case VARVE_APPLICATION:
    case VARVE_INCOMPATIBLE:
        return EXIT_FAILED;
    }
    return EXIT_FAILED;
}
