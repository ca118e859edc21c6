/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses of the network belong to somebody's own house, where an application is not to go unless it may. */
#ifndef VARVE_ENGINE_ADDRESS_H
#define VARVE_ENGINE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * True for a private, loopback, link-local or otherwise not public address (the registries of RFC 6890), also where an
 * IPv6 address only wraps an IPv4 one, and for every family that is neither.
 */
bool address_is_private(const struct sockaddr *address);

#endif
