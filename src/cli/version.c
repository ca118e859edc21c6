/* SPDX-License-Identifier: Apache-2.0 */
#include <varve.h>

#include "cli/verbs.h"

varve_status run_version(struct call *call, varve_error *error)
{
    if (call->output.format == OUTPUT_TABLE) {
        fputs("varve " VARVE_VERSION "\n", call->output.file);
        return VARVE_OK;
    }
    return output_document(&call->output, VARVE_STR("{\"version\":\"" VARVE_VERSION "\"}"), error);
}
