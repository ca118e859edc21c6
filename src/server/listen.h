/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket. */
#ifndef VARVE_SERVER_LISTEN_H
#define VARVE_SERVER_LISTEN_H

#include <varve/error.h>

#define LISTEN_TEXT_BYTES 64 /* "[::1]:65535" and longer forms of the address */

/*
 * Listens on "127.0.0.1:8080", "[::1]:8080" or "localhost:8080"; port 0 picks a free one. `*opened` is
 * the caller's to close; `bound` becomes the address it is bound to. VARVE_INVALID: not an address;
 * VARVE_UNSUPPORTED: not a loopback address; VARVE_UNAVAILABLE: the port is in use; VARVE_DENIED;
 * VARVE_IO.
 */
varve_status listen_open(int *opened, const char *text, char bound[LISTEN_TEXT_BYTES], uint16_t *port,
                         varve_error *error);

#endif
