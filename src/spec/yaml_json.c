/* SPDX-License-Identifier: Apache-2.0 */
/* What a YAML scalar is (core schema of YAML 1.2), and nodes as JSON. */
#include "spec/yaml.h"

#include "base/json.h"

/* ---- scalars ---- */

static bool is_one_of(varve_str text, const char *const *words)
{
    while (*words != NULL && !varve_str_is(text, *words)) words++;
    return *words != NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };
    return node->kind == YAML_SCALAR && node->is_plain && is_one_of(node->text, words);
}

static bool is_true(varve_str text)
{
    static const char *const words[] = { "true", "True", "TRUE", NULL };
    return is_one_of(text, words);
}

static bool is_false(varve_str text)
{
    static const char *const words[] = { "false", "False", "FALSE", NULL };
    return is_one_of(text, words);
}

static bool is_digit(char c, unsigned base)
{
    if (c >= '0' && c <= '9') return (unsigned)(c - '0') < base;
    return base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
}

/* How many digits stand at `at`. */
static size_t digits(varve_str text, size_t at, unsigned base)
{
    size_t from = at;
    while (at < text.len && is_digit(text.ptr[at], base)) at++;
    return at - from;
}

static size_t sign(varve_str text, size_t at)
{
    return at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+') ? 1 : 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_decimal(varve_str text)
{
    size_t at = sign(text, 0);
    size_t whole = digits(text, at, 10);
    at += whole;
    if (at < text.len && text.ptr[at] == '.') {
        size_t fraction = digits(text, at + 1, 10);
        if (whole == 0 && fraction == 0) return false;
        at += 1 + fraction;
    } else if (whole == 0) {
        return false;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at += 1 + sign(text, at + 1);
        size_t exponent = digits(text, at, 10);
        if (exponent == 0) return false;
        at += exponent;
    }
    return at == text.len;
}

/* 0o17, 0x1F, .inf, .nan */
static bool is_odd_number(varve_str text)
{
    static const char *const words[] = { ".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                         "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL };
    if (is_one_of(text, words)) return true;
    if (text.len < 3 || text.ptr[0] != '0' || (text.ptr[1] != 'o' && text.ptr[1] != 'x')) return false;
    return digits(text, 2, text.ptr[1] == 'o' ? 8 : 16) == text.len - 2;
}

static bool is_number(varve_str text)
{
    return is_decimal(text) || is_odd_number(text);
}

bool yaml_is_text(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && (!node->is_plain || !(yaml_is_null(node) || is_true(node->text) ||
                                                              is_false(node->text) || is_number(node->text)));
}

/* ---- JSON ---- */

struct writing {
    const struct yaml_document *document;
    varve_buf *json;
    size_t max_len; /* of `json` */
    varve_error *error;
};

static varve_status write_number(const struct writing *writing, const struct yaml_node *node)
{
    varve_str text = node->text;
    varve_error problem = { 0 };
    if (text.ptr[0] == '+') text = (varve_str){ text.ptr + 1, text.len - 1 };
    if (is_odd_number(node->text) || json_check(text, "the number", &problem) < 0)
        return yaml_refuse(
            writing->document, node, writing->error,
            "%.*s is a number, and none that JSON can carry: write it in decimal, or quote it to make it a text",
            (int)(node->text.len < 40 ? node->text.len : 40), node->text.ptr);
    varve_buf_str(writing->json, text);
    return VARVE_OK;
}

static varve_status write_text(const struct writing *writing, const struct yaml_node *node)
{
    if (node->text.len > 0 && memchr(node->text.ptr, '\0', node->text.len) != NULL)
        return yaml_refuse(writing->document, node, writing->error, "a text must not have the character 0");
    varve_buf_json_string(writing->json, node->text);
    return VARVE_OK;
}

static varve_status write_scalar(const struct writing *writing, const struct yaml_node *node)
{
    if (!node->is_plain) return write_text(writing, node);
    if (yaml_is_null(node))
        varve_buf_str(writing->json, VARVE_STR("null"));
    else if (is_true(node->text))
        varve_buf_str(writing->json, VARVE_STR("true"));
    else if (is_false(node->text))
        varve_buf_str(writing->json, VARVE_STR("false"));
    else
        return is_number(node->text) ? write_number(writing, node) : write_text(writing, node);
    return VARVE_OK;
}

/* As deep as YAML_DEPTH_MAX. What is written is checked as it grows: aliases can make much of little. */
static varve_status write_node(const struct writing *writing, const struct yaml_node *node)
{
    bool is_mapping = node->kind == YAML_MAPPING;
    varve_status status = VARVE_OK;
    if (node->kind == YAML_SCALAR) {
        status = write_scalar(writing, node);
    } else {
        varve_buf_str(writing->json, is_mapping ? VARVE_STR("{") : VARVE_STR("["));
        for (size_t i = 0; i < node->count && status == VARVE_OK; i++) {
            bool is_key = is_mapping && i % 2 == 0;
            if (i > 0) varve_buf_str(writing->json, is_mapping && !is_key ? VARVE_STR(":") : VARVE_STR(","));
            status = is_key ? write_text(writing, &node->children[i]) : write_node(writing, &node->children[i]);
        }
        varve_buf_str(writing->json, is_mapping ? VARVE_STR("}") : VARVE_STR("]"));
    }
    if (status == VARVE_OK && writing->json->len > writing->max_len) {
        status = VARVE_TOO_LARGE;
        varve_error_set(writing->error, status, "%s:%u:%u: it makes more than %zu bytes of JSON",
                        writing->document->name, node->line, node->column, writing->max_len);
    }
    return status;
}

varve_status yaml_write_json(const struct yaml_document *document, const struct yaml_node *node, size_t max_bytes,
                             varve_buf *json, varve_error *error)
{
    struct writing writing = { document, json, json->len + max_bytes, error };
    varve_status status = write_node(&writing, node);
    if (status == VARVE_OK && json->failed)
        status = varve_error_set(error, VARVE_NOMEM, "%s: no memory to read it", document->name);
    return status;
}
