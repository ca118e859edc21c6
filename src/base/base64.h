/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4, with padding), for data that is not JSON in JSON shapes. */
#ifndef VARVE_BASE_BASE64_H
#define VARVE_BASE_BASE64_H

#include <varve/event.h>

void base64_encode(varve_str bytes, varve_buf *text);
/* Appends the bytes; false when `text` is not canonical base64. */
bool base64_decode(varve_str text, varve_buf *bytes);

#endif
