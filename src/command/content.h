/* SPDX-License-Identifier: Apache-2.0 */
/* What a command is about, in a few bytes: so that one id is not used for two commands. */
#ifndef VARVE_COMMAND_CONTENT_H
#define VARVE_COMMAND_CONTENT_H

#include <varve/command.h>

#define CONTENT_DIGEST_BYTES 17

/*
 * 64 bits (XXH3, as hexadecimal digits) of a complete command's type, stream and data, without the white space between
 * the data's tokens. Who asks, when, why, and on which version it is pinned may differ from one try to the next. It
 * guards against mistakes, not against malice. Stored, so what goes into it is fixed.
 */
void content_digest(const varve_command *command, char text[CONTENT_DIGEST_BYTES]);

#endif
