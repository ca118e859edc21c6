/* SPDX-License-Identifier: Apache-2.0 */
#include "command/schema_value.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/json.h"

#define BYTES_A_STEP       64
#define DIVISOR_DIGITS_MAX 19 /* they fit 64 bits */
#define EXPONENT_MAX       1000000000L

enum value_kind value_kind(const struct tree_node *node)
{
    if (node->kind != TREE_SCALAR) return node->kind == TREE_ARRAY ? VALUE_ARRAY : VALUE_OBJECT;
    switch (node->text.ptr[0]) {
    case '"':
        return VALUE_STRING;
    case 't':
    case 'f':
        return VALUE_BOOLEAN;
    case 'n':
        return VALUE_NULL;
    default:
        return VALUE_NUMBER;
    }
}

struct schema_number value_number(const struct tree_node *node)
{
    struct json_scanner scanner;
    json_start(&scanner, node->text);
    if (json_next(&scanner) == JSON_INTEGER) return (struct schema_number){ scanner.integer, true };
    long double real = json_double(&scanner);
    return (struct schema_number){ real, truncl(real) == real };
}

/* A number as its digits, without zeros at both ends, times 10^exponent. */
struct decimal {
    const char *at; /* the first digit that is not 0; NULL: the number is 0 */
    size_t digits;  /* from there on, the point not counted */
    long long exponent;
};

static struct decimal read_decimal(varve_str text)
{
    struct decimal decimal = { 0 };
    size_t i = 0, zeros = 0;
    bool fraction = false;
    for (; i < text.len && text.ptr[i] != 'e' && text.ptr[i] != 'E'; i++) {
        char digit = text.ptr[i];
        fraction = fraction || digit == '.';
        if (digit < '0' || digit > '9') continue;
        if (fraction) decimal.exponent--;
        if (decimal.at == NULL && digit == '0') continue;
        if (decimal.at == NULL) decimal.at = text.ptr + i;
        zeros = digit == '0' ? zeros + 1 : 0;
        decimal.digits++;
    }
    decimal.digits -= zeros;
    decimal.exponent += (long long)zeros;
    long written = i < text.len ? strtol(text.ptr + i + 1, NULL, 10) : 0; /* when it is vast the number is 0 */
    decimal.exponent += written < -EXPONENT_MAX ? -EXPONENT_MAX : written > EXPONENT_MAX ? EXPONENT_MAX : written;
    return decimal;
}

static uint64_t carry_on(uint64_t rest, unsigned digit, uint64_t divisor)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)rest * 10 + digit) % divisor);
}

/* The digits, as one integer, modulo `divisor`. */
static uint64_t rest_of(const struct decimal *decimal, uint64_t divisor)
{
    uint64_t rest = 0;
    const char *at = decimal->at;
    for (size_t taken = 0; taken < decimal->digits; at++) {
        if (*at == '.') continue;
        rest = carry_on(rest, (unsigned)(*at - '0'), divisor);
        taken++;
    }
    return rest;
}

bool value_is_multiple(const struct tree_node *number, const struct tree_node *of)
{
    struct decimal a = read_decimal(number->text), b = read_decimal(of->text);
    if (a.at == NULL) return true;
    if (b.at == NULL) return false;
    if (b.digits > DIVISOR_DIGITS_MAX) return fmodl(value_number(number).value, value_number(of).value) == 0;
    if (a.exponent < b.exponent) return false; /* it has digits behind those that a multiple can have */
    uint64_t divisor = rest_of(&b, UINT64_MAX);
    ASSERT(divisor > 0); /* its first digit is not 0, and it fits */
    uint64_t rest = rest_of(&a, divisor);
    for (long long i = b.exponent; i < a.exponent && rest != 0; i++) rest = carry_on(rest, 0, divisor);
    return rest == 0;
}

bool value_text(const struct tree_node *node, varve_buf *scratch, varve_str *text)
{
    *text = (varve_str){ node->text.ptr + 1, node->text.len - 2 };
    if (text->len == 0 || memchr(text->ptr, '\\', text->len) == NULL) return true;
    varve_buf_reset(scratch);
    json_unescape(*text, scratch);
    *text = varve_buf_view(scratch);
    return !scratch->failed;
}

size_t value_length(const struct tree_node *node)
{
    const char *at = node->text.ptr + 1, *end = node->text.ptr + node->text.len - 1;
    size_t length = 0;
    for (; at < end; at++) {
        if (((unsigned char)*at & 0xC0) == 0x80) continue;
        length++;
        if (*at != '\\') continue;
        at++;
        if (*at != 'u') continue;
        /* A character beyond 16 bits is written as two: only the first is counted. */
        bool is_second = (at[1] == 'd' || at[1] == 'D') && strchr("cdefCDEF", at[2]) != NULL;
        if (is_second) length--;
        at += 4;
    }
    return length;
}

static bool equal_scalars(const struct tree_node *a, const struct tree_node *b)
{
    if (varve_str_eq(a->text, b->text)) return true;
    enum value_kind kind = value_kind(a);
    if (kind != value_kind(b)) return false;
    if (kind == VALUE_NUMBER) return value_number(a).value == value_number(b).value;
    if (kind != VALUE_STRING) return false;
    varve_buf left = { 0 }, right = { 0 };
    varve_str one, other;
    bool equal = value_text(a, &left, &one) && value_text(b, &right, &other) && varve_str_eq(one, other);
    varve_buf_fini(&left);
    varve_buf_fini(&right);
    return equal;
}

bool value_equal(const struct tree_node *a, const struct tree_node *b)
{
    if (a->kind != b->kind) return false;
    if (a->kind == TREE_SCALAR) return equal_scalars(a, b);
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->kind == TREE_OBJECT && !varve_str_eq(a->children[i].name, b->children[i].name)) return false;
        if (!value_equal(&a->children[i], &b->children[i])) return false;
    }
    return true;
}

static int compare_name(const void *name, const void *member)
{
    return tree_compare_names(*(const varve_str *)name, ((const struct tree_node *)member)->name);
}

const struct tree_node *value_member(const struct tree_node *object, varve_str name)
{
    if (object->count == 0) return NULL;
    return bsearch(&name, object->children, object->count, sizeof *object->children, compare_name);
}

/* ---- all different ---- */

static uint64_t mix(uint64_t hash, uint64_t more)
{
    hash = (hash ^ more) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

/* Not by how it is written. A double cannot tell large integers apart, so what is one is hashed as one. */
static uint64_t hash_number(struct schema_number number)
{
    bool is_64_bits = number.is_integer && number.value >= (long double)INT64_MIN && number.value <= INT64_MAX;
    int64_t integer = is_64_bits ? (int64_t)number.value : 0;
    double real = (double)number.value;
    return is_64_bits ? hash_str((varve_str){ (const char *)&integer, sizeof integer })
                      : hash_str((varve_str){ (const char *)&real, sizeof real });
}

/* Equal values have equal hashes. */
static uint64_t hash_of(const struct tree_node *node, varve_buf *scratch)
{
    uint64_t hash = (uint64_t)value_kind(node);
    varve_str text;
    switch (value_kind(node)) {
    case VALUE_NUMBER:
        return mix(hash, hash_number(value_number(node)));
    case VALUE_STRING:
        return mix(hash, value_text(node, scratch, &text) ? hash_str(text) : 0);
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        for (size_t i = 0; i < node->count; i++) {
            if (node->kind == TREE_OBJECT) hash = mix(hash, hash_str(node->children[i].name));
            hash = mix(hash, hash_of(&node->children[i], scratch));
        }
        return hash;
    default:
        return mix(hash, hash_str(node->text));
    }
}

struct hashed {
    uint64_t hash;
    const struct tree_node *node;
};

static int compare_hashes(const void *a, const void *b)
{
    uint64_t left = ((const struct hashed *)a)->hash, right = ((const struct hashed *)b)->hash;
    return (left > right) - (left < right);
}

/* A comparison costs a step, and more where it may be long. */
static varve_status compare_all(const struct hashed *all, size_t count, int64_t *steps)
{
    for (size_t i = 1; i < count; i++) {
        /* Nearly always there is one of a hash: others only where two values really are equal. */
        for (size_t j = i; j > 0 && all[j - 1].hash == all[i].hash; j--) {
            *steps -= 1 + (int64_t)(all[i].node->text.len / BYTES_A_STEP);
            if (*steps < 0) return VARVE_TOO_LARGE;
            if (value_equal(all[j - 1].node, all[i].node)) return VARVE_CONFLICT;
        }
    }
    return VARVE_OK;
}

varve_status value_all_different(const struct tree_node *array, int64_t *steps)
{
    varve_buf scratch = { 0 };
    if (array->count < 2) return VARVE_OK;
    *steps -= (int64_t)array->count;
    struct hashed *all = calloc(array->count, sizeof *all);
    if (all == NULL) return VARVE_NOMEM;
    for (size_t i = 0; i < array->count; i++)
        all[i] = (struct hashed){ hash_of(&array->children[i], &scratch), &array->children[i] };
    qsort(all, array->count, sizeof *all, compare_hashes);
    varve_status status = scratch.failed ? VARVE_NOMEM : compare_all(all, array->count, steps);
    varve_buf_fini(&scratch);
    free(all);
    return status;
}
