/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4), in hardware where the processor has it. */
#ifndef VARVE_BASE_CRC32C_H
#define VARVE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` over more bytes; start from 0. Any thread. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

/* The same without the processor's instruction; what crc32c does where there is none. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len);

#endif
