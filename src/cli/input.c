/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"

varve_status input_read(const char *file, size_t max, varve_buf *text, varve_error *error)
{
    bool standard = strcmp(file, "-") == 0;
    const char *name = standard ? "standard input" : file;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return varve_error_set(error, errno == ENOENT ? VARVE_NOT_FOUND : VARVE_IO, "cannot read %s: %s", name,
                               strerror(errno));
    }
    char bytes[16384];
    varve_status status = VARVE_OK;
    while (status == VARVE_OK) {
        ssize_t count = read(fd, bytes, sizeof(bytes));
        if (count == 0) {
            break;
        }
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            status = varve_error_set(error, VARVE_IO, "cannot read %s: %s", name, strerror(errno));
        } else if (text->len + (size_t)count > max) {
            status = varve_error_set(error, VARVE_TOO_LARGE, "%s has more than %zu bytes", name, max);
        } else {
            varve_buf_add(text, bytes, (size_t)count);
            status = text->failed ? varve_error_set(error, VARVE_NOMEM, "out of memory for %s", name) : VARVE_OK;
        }
    }
    if (!standard) {
        close(fd);
    }
    return status;
}

varve_status input_json(const struct call *call, enum option option, varve_buf *json, varve_error *error)
{
    const char *value = call_option(call, option);
    if (value == NULL) {
        return VARVE_OK;
    }
    varve_status status = VARVE_OK;
    if (strcmp(value, "-") == 0) {
        status = input_read(value, VARVE_APPEND_BYTES_MAX, json, error);
    } else if (value[0] == '@') {
        status = input_read(value + 1, VARVE_APPEND_BYTES_MAX, json, error);
    } else {
        varve_buf_str(json, varve_str_of(value));
    }
    if (status == VARVE_OK && json->failed) {
        status = varve_error_set(error, VARVE_NOMEM, "out of memory");
    }
    if (status < 0) {
        return status;
    }
    varve_buf what = { 0 };
    varve_buf_printf(&what, "--%s", option_specs[option].name);
    status = json_check(varve_buf_view(json), what.failed ? "JSON" : what.ptr, error);
    varve_buf_fini(&what);
    return status;
}
