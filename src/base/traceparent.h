/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VARVE_BASE_TRACEPARENT_H
#define VARVE_BASE_TRACEPARENT_H

#include <varve/event.h>

/*
 * True for a version-00 traceparent (W3C Trace Context, section 3.2): lower-case hexadecimal digits, and neither the
 * trace's nor the parent's id all zeros. Another one is not ours to forward.
 */
bool traceparent_is_valid(varve_str text);

#endif
