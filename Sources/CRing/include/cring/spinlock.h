// A test-and-test-and-set lock for the short critical sections that Linux guards with spinlocks (IOVA magazines,
// swiotlb areas, the invalidation queue). One word; place it in a line of its own where several CPUs meet.
#ifndef CRING_SPINLOCK_H
#define CRING_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "cring/barriers.h"

static inline void cring_lock(void *word) {
  uint32_t *w = (uint32_t *)word;
  while (__atomic_exchange_n(w, 1u, __ATOMIC_ACQUIRE)) {
    while (__atomic_load_n(w, __ATOMIC_RELAXED)) cring_spin_hint();
  }
}

// The same, counting in a word that the lock guards how often it was held by another. As fast while no other thread
// holds it.
static inline void cring_lock_counting(void *word, uint64_t *waits) {
  if (!__atomic_exchange_n((uint32_t *)word, 1u, __ATOMIC_ACQUIRE)) return;
  while (__atomic_load_n((uint32_t *)word, __ATOMIC_RELAXED)) cring_spin_hint();
  cring_lock(word);
  *waits += 1;
}

// Takes the lock unless another thread holds it.
static inline bool cring_try_lock(void *word) {
  uint32_t *w = (uint32_t *)word;
  return !__atomic_load_n(w, __ATOMIC_RELAXED) && !__atomic_exchange_n(w, 1u, __ATOMIC_ACQUIRE);
}

static inline void cring_unlock(void *word) { __atomic_store_n((uint32_t *)word, 0u, __ATOMIC_RELEASE); }

#endif
