/* SPDX-License-Identifier: Apache-2.0 */
/* What `store info` shows, for the verbs that make a store too. */
#ifndef VARVE_CLI_STORE_H
#define VARVE_CLI_STORE_H

#include "cli/options.h"

/* Opens call->store to read, prints what it is and closes it. */
varve_status store_print_info(const struct call *call, varve_error *error);

#endif
