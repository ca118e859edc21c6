/* SPDX-License-Identifier: Apache-2.0 */
#include "event/query.h"

#include "event/codec.h"

bool event_query_takes(const varve_query_item *item, varve_str type)
{
    for (size_t i = 0; i < item->type_count; i++)
        if (varve_str_eq(item->types[i], type)) return true;
    return item->type_count == 0;
}

static bool has_tag(const varve_event *event, varve_str tag)
{
    for (size_t i = 0; i < event->tag_count; i++)
        if (varve_str_eq(event->tags[i], tag)) return true;
    return false;
}

bool event_query_matches(const varve_query_item *items, size_t count, const varve_event *event)
{
    for (size_t i = 0; i < count; i++) {
        const varve_query_item *item = &items[i];
        size_t tags = 0;
        if (item->tag_count > event->tag_count || !event_query_takes(item, event->type)) continue;
        while (tags < item->tag_count && has_tag(event, item->tags[tags])) tags++;
        if (tags == item->tag_count) return true;
    }
    return false;
}

static varve_status check_names(const varve_str *names, size_t count, const char *what, varve_error *error)
{
    if (count > VARVE_QUERY_ITEMS_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE,
                               "an item of a query has %zu names of this kind (%s), more than %u", count, what,
                               VARVE_QUERY_ITEMS_MAX);
    for (size_t i = 0; i < count; i++) {
        varve_status status = event_check_name(names[i], what, error);
        if (status < 0) return status;
    }
    return VARVE_OK;
}

varve_status event_query_check(const varve_query_item *items, size_t count, varve_error *error)
{
    varve_status status = VARVE_OK;
    if (count > VARVE_QUERY_ITEMS_MAX)
        return varve_error_set(error, VARVE_TOO_LARGE, "a query has %zu items, more than %u", count,
                               VARVE_QUERY_ITEMS_MAX);
    for (size_t i = 0; i < count && status >= 0; i++) {
        status = check_names(items[i].types, items[i].type_count, "a type", error);
        if (status >= 0) status = check_names(items[i].tags, items[i].tag_count, "a tag", error);
    }
    return status;
}

bool event_query_copy(struct arena *memory, const varve_query_item *items, size_t count, const varve_query_item **copy)
{
    varve_query_item *own = count == 0 ? NULL : arena_array(memory, count, sizeof *own);
    if (own == NULL && count > 0) return false;
    for (size_t i = 0; i < count; i++) {
        own[i] = items[i];
        if (!arena_copy_all(memory, items[i].types, items[i].type_count, &own[i].types) ||
            !arena_copy_all(memory, items[i].tags, items[i].tag_count, &own[i].tags))
            return false;
    }
    *copy = own;
    return true;
}

bool event_query_by_tags(const varve_query_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].tag_count == 0) return false;
    return count > 0;
}

static void write_names(const char *name, const varve_str *texts, size_t count, varve_buf *out)
{
    varve_buf_printf(out, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) varve_buf_str(out, VARVE_STR(","));
        varve_buf_json_string(out, texts[i]);
    }
    varve_buf_str(out, VARVE_STR("]"));
}

void event_query_write_json(const varve_query_item *items, size_t count, varve_buf *out)
{
    varve_buf_str(out, VARVE_STR("["));
    for (size_t i = 0; i < count; i++) {
        varve_buf_str(out, i == 0 ? VARVE_STR("{") : VARVE_STR(",{"));
        write_names("types", items[i].types, items[i].type_count, out);
        varve_buf_str(out, VARVE_STR(","));
        write_names("tags", items[i].tags, items[i].tag_count, out);
        varve_buf_str(out, VARVE_STR("}"));
    }
    varve_buf_str(out, VARVE_STR("]"));
}
