// Copies of payload bytes, short ones without a call: of 64 bytes the call would be most of the price.
#ifndef CRING_COPY_H
#define CRING_COPY_H

#include <stddef.h>
#include <string.h>

// Everything is loaded before anything is stored, in blocks that overlap where the length is not a power of two.
#define CRING_COPY_ENDS(size)                                       \
  do {                                                              \
    char head[size], tail[size];                                    \
    memcpy(head, from, size);                                       \
    memcpy(tail, (const char *)from + byte_count - (size), size);   \
    memcpy(to, head, size);                                         \
    memcpy((char *)to + byte_count - (size), tail, size);           \
  } while (0)

// Copies `byte_count` bytes between buffers that do not overlap; 0 is allowed.
static inline __attribute__((always_inline)) void cring_copy(void *to, const void *from, size_t byte_count) {
  if (byte_count > 64) {
    memcpy(to, from, byte_count);
  } else if (byte_count >= 32) {
    CRING_COPY_ENDS(32);
  } else if (byte_count >= 16) {
    CRING_COPY_ENDS(16);
  } else if (byte_count >= 8) {
    CRING_COPY_ENDS(8);
  } else if (byte_count >= 4) {
    CRING_COPY_ENDS(4);
  } else if (byte_count >= 2) {
    CRING_COPY_ENDS(2);
  } else if (byte_count == 1) {
    *(char *)to = *(const char *)from;
  }
}

#undef CRING_COPY_ENDS

// Sets `byte_count` bytes to zero; 0 is allowed.
static inline __attribute__((always_inline)) void cring_clear(void *at, size_t byte_count) {
  if (byte_count == 64) {
    memset(at, 0, 64);
  } else {
    memset(at, 0, byte_count);
  }
}

// Copies as cring_copy does and leaves zeros behind, while the lines are near.
static inline __attribute__((always_inline)) void cring_move(void *to, void *from, size_t byte_count) {
  cring_copy(to, from, byte_count);
  cring_clear(from, byte_count);
}

#endif
