/* SPDX-License-Identifier: Apache-2.0 */
/* One example, tried on its decider. */
#ifndef VARVE_SPEC_RUN_H
#define VARVE_SPEC_RUN_H

#include <varve/trial.h>

#include "spec/compare.h"

/* Starts from {0}; ends with spec_result_fini. */
struct spec_result {
    bool has_passed;
    varve_str problem; /* why it could not be gone through with; empty: it could */
    struct spec_differences differences;
    struct arena arena;
};

/*
 * Runs an example in a trial of its own. The candidate is its stream's. VARVE_OK: the result says whether it passed.
 * VARVE_NOMEM.
 */
varve_status spec_run(const struct spec_example *example, const varve_candidate *candidate, struct spec_result *result,
                      varve_error *error);
void spec_result_fini(struct spec_result *result);

#endif
