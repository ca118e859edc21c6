/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef VARVE_BASE_UTF8_H
#define VARVE_BASE_UTF8_H

#include <varve/event.h>

bool utf8_valid(varve_str text);
/* Valid, and no control characters (C0, DEL, C1): what names may be made of. */
bool utf8_printable(varve_str text);
/* Length in bytes of the character at `at`, which lies before `end`; 0 when there is no valid one. */
size_t utf8_sequence(const char *at, const char *end);
/* Writes `code` (a scalar value) as 1 to 4 bytes; returns how many. */
size_t utf8_encode(uint32_t code, char bytes[4]);

#endif
