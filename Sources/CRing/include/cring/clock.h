// The cycle counter and what one of its ticks is worth.
#ifndef CRING_CLOCK_H
#define CRING_CLOCK_H

#include <stdint.h>
#include <time.h>

// Monotonic nanoseconds (CLOCK_MONOTONIC_RAW: no slewing in the middle of a slice).
static inline uint64_t cring_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

// The invariant time-stamp counter (x86-64) or the virtual counter (arm64); it does not wait for earlier instructions.
static inline uint64_t cring_cycles(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t v;
  __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(v));
  return v;
#else
  return cring_nanoseconds();
#endif
}

// Ticks of cring_cycles() per second: read from the machine where it tells, else measured once over 20 ms.
uint64_t cring_cycles_per_second(void);

#endif
