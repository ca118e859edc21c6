/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that hold one reader of JSON against another: generated texts, right ones and damaged ones. */
#ifndef VARVE_BASE_JSON_SAMPLE_H
#define VARVE_BASE_JSON_SAMPLE_H

#include <varve/event.h>

/* Appends a text, about half of them JSON. `seed`, not 0, moves on; the same one gives the same texts. */
void json_sample(uint64_t *seed, varve_buf *text);

#endif
