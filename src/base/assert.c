/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "varve: %s:%d: this must hold: %s\n", file, line, what);
    abort();
}
