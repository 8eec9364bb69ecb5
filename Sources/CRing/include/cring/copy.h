// Copies of payload bytes, short ones without a call: of 64 bytes the call would be most of the price.
#ifndef CRING_COPY_H
#define CRING_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Blocks in one variable of their own: of arrays of bytes the compiler keeps one in memory between load and store.
typedef unsigned char cring_block16 __attribute__((vector_size(16)));
typedef unsigned char cring_block32 __attribute__((vector_size(32)));

// Everything is loaded before anything is stored, in blocks that overlap where the length is not a power of two.
#define CRING_COPY_ENDS(block)                                                     \
  do {                                                                             \
    block head, tail;                                                              \
    memcpy(&head, from, sizeof(block));                                            \
    memcpy(&tail, (const char *)from + byte_count - sizeof(block), sizeof(block)); \
    memcpy(to, &head, sizeof(block));                                              \
    memcpy((char *)to + byte_count - sizeof(block), &tail, sizeof(block));         \
  } while (0)

// Copies `byte_count` bytes between buffers that do not overlap; 0 is allowed.
static inline __attribute__((always_inline)) void cring_copy(void *to, const void *from, size_t byte_count) {
  if (__builtin_expect(byte_count > 64, 0)) {
    memcpy(to, from, byte_count);
  } else if (byte_count >= 32) {
    CRING_COPY_ENDS(cring_block32);
  } else if (byte_count >= 16) {
    CRING_COPY_ENDS(cring_block16);
  } else if (byte_count >= 8) {
    CRING_COPY_ENDS(uint64_t);
  } else if (byte_count >= 4) {
    CRING_COPY_ENDS(uint32_t);
  } else if (byte_count >= 2) {
    CRING_COPY_ENDS(uint16_t);
  } else if (byte_count == 1) {
    *(char *)to = *(const char *)from;
  }
}

#define CRING_CLEAR_ENDS(block)                                            \
  do {                                                                     \
    const block zero = {0};                                                \
    memcpy(at, &zero, sizeof(block));                                      \
    memcpy((char *)at + byte_count - sizeof(block), &zero, sizeof(block)); \
  } while (0)

// Sets `byte_count` bytes to zero; 0 is allowed. From both ends, as the copy: where a branch of its own set a constant
// number of them, the compiler joined the branches and called memset for 64 bytes too.
static inline __attribute__((always_inline)) void cring_clear(void *at, size_t byte_count) {
  if (__builtin_expect(byte_count > 64, 0)) {
    memset(at, 0, byte_count);
  } else if (byte_count >= 32) {
    CRING_CLEAR_ENDS(cring_block32);
  } else if (byte_count >= 16) {
    CRING_CLEAR_ENDS(cring_block16);
  } else if (byte_count >= 8) {
    CRING_CLEAR_ENDS(uint64_t);
  } else if (byte_count >= 4) {
    CRING_CLEAR_ENDS(uint32_t);
  } else if (byte_count >= 2) {
    CRING_CLEAR_ENDS(uint16_t);
  } else if (byte_count == 1) {
    *(char *)at = 0;
  }
}

// What cring_move does with lengths that are not a packet's headers: out of the way, for in the loop that takes buffers
// back the registers it needs would be missed by those that move nothing.
static __attribute__((noinline, unused)) void cring_move_any(void *to, void *from, size_t byte_count) {
  cring_copy(to, from, byte_count);
  cring_clear(from, byte_count);
}

// Copies as cring_copy does and leaves zeros behind, while the lines are near.
static inline __attribute__((always_inline)) void cring_move(void *to, void *from, size_t byte_count) {
  if (byte_count >= 32 && byte_count <= 64) {
    CRING_COPY_ENDS(cring_block32);
    void *const at = from;
    CRING_CLEAR_ENDS(cring_block32);
  } else {
    cring_move_any(to, from, byte_count);
  }
}

#undef CRING_COPY_ENDS
#undef CRING_CLEAR_ENDS

#endif
