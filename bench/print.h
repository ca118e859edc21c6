/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a table, on standard output. */
#ifndef VARVE_BENCH_PRINT_H
#define VARVE_BENCH_PRINT_H

/* A blank, then the number with its thousands apart and `unit` behind it, right-aligned in `width`. */
void print_number(double number, const char *unit, int width);
/* A blank, then a time in eight columns; "-" for 0. */
void print_time(double ns);

#endif
