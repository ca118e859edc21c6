/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VARVE_STORE_DIGEST_H
#define VARVE_STORE_DIGEST_H

#include <varve/store.h>

#define DIGEST_TEXT_BYTES 33

/*
 * 128 bits (XXH3, as hexadecimal digits) that tell one append request from another under one idempotency key: of all
 * that the caller gave, ids that are made later left out. It guards against mistakes, not against malice: whoever
 * could make two requests with one digest may send either of them anyway. Stored, so what goes into it is fixed.
 */
void digest_request(const varve_append_request *request, char text[DIGEST_TEXT_BYTES]);

#endif
