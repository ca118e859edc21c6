/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hearing of what other processes append, and telling them of ours: a connection and a thread of its own, so that no
 * append's transaction has a NOTIFY in it (they would be serialised on one more lock). What comes quickly is told
 * together; a look at the head now and then makes up for what is missed.
 */
#ifndef VARVE_STORE_POSTGRES_LISTEN_H
#define VARVE_STORE_POSTGRES_LISTEN_H

#include "store/postgres/log.h"

/* Starts listening on the log's schema; `log` is borrowed until listener_close. */
varve_status listener_open(struct listener **listener, struct store_log *log, varve_error *error);
/* Has the other processes told that the head is at least here. Any thread; does not block. */
void listener_announce(struct listener *listener, struct store_head head);
/* NULL is allowed. */
void listener_close(struct listener *listener);

#endif
