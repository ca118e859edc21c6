/* SPDX-License-Identifier: Apache-2.0 */
#include <varve/event.h>

/* Length of what stands before the first '-'. */
static size_t category_len(varve_str stream)
{
    const char *dash = stream.len == 0 ? NULL : memchr(stream.ptr, '-', stream.len);

    return dash == NULL ? stream.len : (size_t)(dash - stream.ptr);
}

varve_str varve_stream_category(varve_str stream)
{
    varve_str category = { stream.ptr, category_len(stream) };

    return category;
}

varve_str varve_stream_aggregate_id(varve_str stream)
{
    size_t before = category_len(stream) + 1;
    varve_str id = { 0 };

    if (before < stream.len) id = (varve_str){ stream.ptr + before, stream.len - before };
    return id;
}
