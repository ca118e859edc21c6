/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents as a server answers them, or as the library writes them, among them pages of a list: {"…":[…],"next":…}.
 * Payloads inside may each be as deep as an event's data.
 */
#ifndef VARVE_CLI_PAGES_H
#define VARVE_CLI_PAGES_H

#include "base/json.h"

/*
 * Finds the member of an object by its name, which may hold any character; the last one counts. The type of its
 * value and its bytes, or JSON_END when it is not there, or JSON_ERROR when `object` is none.
 */
enum json_token page_member(varve_str object, const char *name, varve_str *value);

/* Receives an item; anything but VARVE_OK ends the visit and is returned. The view is borrowed from the page. */
typedef varve_status (*page_item)(void *ctx, varve_str item, varve_error *error);

/* Visits the objects of the page's list called `member` and adds their number to `*count`. VARVE_UNAVAILABLE: none. */
varve_status page_items(varve_str page, const char *member, page_item item, void *ctx, uint64_t *count,
                        varve_error *error);

/* A whole number among the page's members; 0 when it is null or not there. */
uint64_t page_number(varve_str page, const char *name);

#endif
