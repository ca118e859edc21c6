/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/measure.h"

#include <math.h>
#include <stdlib.h>

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_values(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

uint64_t measure_percentile(uint64_t *ns, size_t count, double fraction)
{
    if (count == 0) return 0;
    qsort(ns, count, sizeof *ns, compare_ns);
    double rank = ceil(fraction * (double)count);
    size_t index = rank < 1 ? 0 : (size_t)rank - 1;
    return ns[index < count ? index : count - 1];
}

double measure_median(double *values, size_t count)
{
    if (count == 0) return 0;
    qsort(values, count, sizeof *values, compare_values);
    double upper = values[count / 2];
    return count % 2 == 1 ? upper : (values[count / 2 - 1] + upper) / 2;
}
