/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions that stay on in release builds: a bug stops the program at once. */
#ifndef VARVE_BASE_ASSERT_H
#define VARVE_BASE_ASSERT_H

/* Prints where and what to stderr and aborts. */
_Noreturn void assert_failed(const char *file, int line, const char *what);

/* For what can only be false through a bug in varve, never for input or for the outside world. */
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, #condition))

#endif
