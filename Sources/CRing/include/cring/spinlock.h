// A test-and-test-and-set lock for the short critical sections that Linux guards with spinlocks (IOVA magazines,
// swiotlb areas, the invalidation queue). One word; place it in a line of its own where several CPUs meet.
#ifndef CRING_SPINLOCK_H
#define CRING_SPINLOCK_H

#include <stdint.h>

#include "cring/barriers.h"

static inline void cring_lock(void *word) {
  uint32_t *w = (uint32_t *)word;
  while (__atomic_exchange_n(w, 1u, __ATOMIC_ACQUIRE)) {
    while (__atomic_load_n(w, __ATOMIC_RELAXED)) cring_spin_hint();
  }
}

static inline void cring_unlock(void *word) { __atomic_store_n((uint32_t *)word, 0u, __ATOMIC_RELEASE); }

#endif
