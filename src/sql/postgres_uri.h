/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PostgreSQL URI as varve reads it: libpq's own, in which `schema=NAME` may stand as one more
 * parameter. What libpq gets to see has it no more.
 */
#ifndef VARVE_SQL_POSTGRES_URI_H
#define VARVE_SQL_POSTGRES_URI_H

#include "sql/sql.h"

#define POSTGRES_NAME_BYTES 64 /* PostgreSQL cuts names off after 63 */

/*
 * Appends the URI without the parameter to `plain` and copies the schema's name, the default when none is named.
 * VARVE_INVALID when the name is not of lower-case letters, digits, _ and $, or begins with a digit, a $ or pg_, or is
 * longer than 63 bytes; so it needs no escapes between double quotes. Messages repeat nothing of the URI but that name.
 */
varve_status postgres_uri_split(const char *uri, varve_buf *plain, char schema[POSTGRES_NAME_BYTES],
                                varve_error *error);

#endif
