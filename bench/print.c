/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/print.h"

#include <stdio.h>
#include <string.h>

void print_number(double number, const char *unit, int width)
{
    char digits[32], text[48];
    int len = snprintf(digits, sizeof digits, "%.0f", number), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    printf(" %*s%s", width - (int)strlen(unit), text, unit);
}

void print_time(double ns)
{
    char text[16] = "-";
    if (ns >= 1e6)
        snprintf(text, sizeof text, "%.1f ms", ns / 1e6);
    else if (ns > 0)
        snprintf(text, sizeof text, "%.0f us", ns / 1e3);
    printf(" %8s", text);
}
