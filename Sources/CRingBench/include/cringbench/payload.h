// Payloads that are written in full and checked in full.
//
// Word i of buffer number `sequence` is mix(sequence) + i * K with an odd K, so that a payload of another buffer, a
// stale one and a shifted one all differ in nearly every word. Bytes beyond the last whole word are the low bytes of
// the word that would follow.
#ifndef CRINGBENCH_PAYLOAD_H
#define CRINGBENCH_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Writes all `bytes` of `destination`. No alignment is asked.
void crb_fill(void *destination, size_t bytes, uint64_t sequence);

// Reads all `bytes` of `source`; true when each is what crb_fill wrote for `sequence`.
bool crb_check(const void *source, size_t bytes, uint64_t sequence);

// The same for a part of a payload that starts `offset` bytes into it.
void crb_fill_part(void *destination, size_t bytes, size_t offset, uint64_t sequence);
bool crb_check_part(const void *source, size_t bytes, size_t offset, uint64_t sequence);

// Offset of the first byte that differs, or `bytes` when none does. Slow: for the error message.
size_t crb_first_wrong_byte(const void *source, size_t bytes, uint64_t sequence);

#endif
