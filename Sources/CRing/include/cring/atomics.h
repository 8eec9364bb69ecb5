// Single-fetch access to memory that another party may write at any time.
// Each load happens exactly once: the caller works on the copy and can never be shown two values for one field.
// The address is naturally aligned by contract (virtio 1.2 section 2.7 and 2.8 fix the alignment of every ring part),
// except for cring_load_unaligned_64.
#ifndef CRING_ATOMICS_H
#define CRING_ATOMICS_H

#include <stdbool.h>
#include <stdint.h>

#include "cring/barriers.h"

#define CRING_DEFINE_ACCESS(bits)                                            \
  static inline uint##bits##_t cring_load_relaxed_##bits(const void *p) {    \
    return __atomic_load_n((const uint##bits##_t *)p, __ATOMIC_RELAXED);     \
  }                                                                          \
  static inline uint##bits##_t cring_load_acquire_##bits(const void *p) {    \
    return __atomic_load_n((const uint##bits##_t *)p, __ATOMIC_ACQUIRE);     \
  }                                                                          \
  static inline void cring_store_relaxed_##bits(void *p, uint##bits##_t v) { \
    __atomic_store_n((uint##bits##_t *)p, v, __ATOMIC_RELAXED);              \
  }                                                                          \
  static inline void cring_store_release_##bits(void *p, uint##bits##_t v) { \
    __atomic_store_n((uint##bits##_t *)p, v, __ATOMIC_RELEASE);              \
  }

CRING_DEFINE_ACCESS(8)
CRING_DEFINE_ACCESS(16)
CRING_DEFINE_ACCESS(32)
CRING_DEFINE_ACCESS(64)

#undef CRING_DEFINE_ACCESS

// For the entries of an indirect table, which the specification lets lie anywhere. One instruction where the machine
// loads unaligned words (x86-64, arm64); volatile, so that the compiler neither repeats the load nor leaves it out.
static inline uint64_t cring_load_unaligned_64(const void *p) {
  struct __attribute__((packed, may_alias)) word {
    uint64_t value;
  };
#if CRING_THREAD_SANITIZER
  // For it relaxed atomics, as every other access to memory that two threads share.
  if (((uintptr_t)p & 7) == 0) return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
  uint64_t value = 0;
  for (unsigned i = 0; i < 8; i++)
    value |= (uint64_t)__atomic_load_n((const uint8_t *)p + i, __ATOMIC_RELAXED) << (8 * i);
  return value;
#else
  return ((const volatile struct word *)p)->value;
#endif
}

// For words that one thread reads on its hot path and that another changes rarely, under a lock that the reader takes
// on its slow paths alone. Relaxed atomics for the thread sanitizer; elsewhere loads that become part of an instruction
// that uses them, which compilers deny to atomics. The first is volatile, so one load of a whole word. The second is
// for a comparison that goes wrong neither when it is made twice nor when it is late.
static inline uint64_t cring_load_once_64(const void *p) {
#if CRING_THREAD_SANITIZER
  return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
#else
  return *(const volatile uint64_t *)p;
#endif
}

static inline uint64_t cring_load_compared_64(const void *p) {
#if CRING_THREAD_SANITIZER
  return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
#else
  return *(const uint64_t *)p;
#endif
}

static inline uint64_t cring_fetch_add_relaxed_64(void *p, uint64_t v) {
  return __atomic_fetch_add((uint64_t *)p, v, __ATOMIC_RELAXED);
}

static inline uint64_t cring_fetch_add_release_64(void *p, uint64_t v) {
  return __atomic_fetch_add((uint64_t *)p, v, __ATOMIC_RELEASE);
}

static inline void cring_or_release_8(void *p, uint8_t v) { __atomic_fetch_or((uint8_t *)p, v, __ATOMIC_RELEASE); }

// Raises *p to at least v; used for high-water marks several threads report to.
static inline void cring_fetch_max_relaxed_64(void *p, uint64_t v) {
  uint64_t seen = __atomic_load_n((uint64_t *)p, __ATOMIC_RELAXED);
  while (seen < v && !__atomic_compare_exchange_n((uint64_t *)p, &seen, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

#endif
