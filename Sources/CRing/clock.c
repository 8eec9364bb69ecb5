#include "cring/clock.h"

static uint64_t measured(void) {
#if defined(__aarch64__)
  uint64_t hz;
  __asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(hz));
  if (hz) return hz;
#endif
  uint64_t t0 = cring_nanoseconds(), c0 = cring_cycles(), t1;
  do {
    t1 = cring_nanoseconds();
  } while (t1 - t0 < 20000000ull);
  uint64_t c1 = cring_cycles();
  return (uint64_t)((double)(c1 - c0) * 1e9 / (double)(t1 - t0));
}

uint64_t cring_cycles_per_second(void) {
  // Two threads may both measure; they store nearly the same value, and either will do.
  static uint64_t known;
  uint64_t hz = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (!hz) {
    hz = measured();
    __atomic_store_n(&known, hz, __ATOMIC_RELAXED);
  }
  return hz;
}
