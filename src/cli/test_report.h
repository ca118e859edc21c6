/* SPDX-License-Identifier: Apache-2.0 */
/* What `varve test` prints: a report for people, or JSON. */
#ifndef VARVE_CLI_TEST_REPORT_H
#define VARVE_CLI_TEST_REPORT_H

#include "cli/options.h"
#include "spec/run.h"

/* Starts with test_report_init, ends with test_report_fini. */
struct test_report {
    const struct call *call;
    struct items items; /* as JSON … */
    const char *file;   /* … or for people: the file whose examples stand last */
    varve_buf text;
    uint64_t passed, failed;
};

void test_report_init(struct test_report *report, const struct call *call);
/* Takes the next example of `file`. VARVE_NOMEM. */
varve_status test_report_add(struct test_report *report, const char *file, const struct spec_example *example,
                             const struct spec_result *result, varve_error *error);
/* Ends with how many passed and failed. VARVE_APPLICATION when an example failed. */
varve_status test_report_end(struct test_report *report, varve_error *error);
void test_report_fini(struct test_report *report);

#endif
