/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of measured times. */
#ifndef VARVE_BENCH_MEASURE_H
#define VARVE_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* Sorts `ns` and returns the smallest element that at least `fraction` (0 to 1) of them do not exceed; 0 when empty. */
uint64_t measure_percentile(uint64_t *ns, size_t count, double fraction);

/* Sorts `values` and returns their median; the mean of the middle two when there is no middle one. 0 when empty. */
double measure_median(double *values, size_t count);

#endif
