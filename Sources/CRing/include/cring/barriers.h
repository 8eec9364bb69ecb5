// Barriers. The cpu_* set orders memory against another CPU. The device_* set orders it against a hardware device
// that snoops the bus (virtio 1.2 section 6, VIRTIO_F_ORDER_PLATFORM): on x86-64 it also orders non-temporal stores and
// write-combining memory, on arm64 it widens the domain from inner to outer shareable.
#ifndef CRING_BARRIERS_H
#define CRING_BARRIERS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#define CRING_THREAD_SANITIZER __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define CRING_THREAD_SANITIZER 1
#else
#define CRING_THREAD_SANITIZER 0
#endif

static inline void cring_cpu_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }

static inline void cring_cpu_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

// A locked add to the stack orders stores before later loads as mfence does, at a fraction of its cost; it leaves
// non-temporal accesses alone, which no CPU-to-CPU ring has.
static inline void cring_cpu_full(void) {
#if defined(__x86_64__) && !CRING_THREAD_SANITIZER
  __asm__ __volatile__("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline void cring_device_acquire(void) {
#if defined(__x86_64__)
  __asm__ __volatile__("lfence" ::: "memory");
#elif defined(__aarch64__)
  __asm__ __volatile__("dmb oshld" ::: "memory");
#else
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

static inline void cring_device_release(void) {
#if defined(__x86_64__)
  __asm__ __volatile__("sfence" ::: "memory");
#elif defined(__aarch64__)
  __asm__ __volatile__("dmb oshst" ::: "memory");
#else
  __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

static inline void cring_device_full(void) {
#if defined(__x86_64__)
  __asm__ __volatile__("mfence" ::: "memory");
#elif defined(__aarch64__)
  __asm__ __volatile__("dmb osh" ::: "memory");
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

// Tells a hyper-threaded core, and a hypervisor that watches for it, that the caller is polling.
static inline void cring_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");
#endif
}

static inline void cring_prefetch_read(const void *p) { __builtin_prefetch(p, 0, 3); }

// Takes a line that is written at once, from the CPU that has it, without waiting for it.
static inline void cring_prefetch_exclusive(const void *p) {
#if defined(__x86_64__)
  __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)p));
#elif defined(__aarch64__)
  __asm__ __volatile__("prfm pstl1keep, %0" : : "Q"(*(const char *)p));
#endif
}

// Whether this CPU is better off with a line of a ring taken for writing ahead of time, and not only fetched; set
// before main. Intel is: a line that is only fetched is shared, and each store to it then waits for the other CPU to
// give it up (Emerald Rapids, batches of 32: split 12 ns a buffer fetched, 6 taken). Zen is not: packed 3.4 ns
// fetched, 4.3 taken.
extern bool cring_takes_lines;

#if defined(__clang__)
#define CRING_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define CRING_ROLLED _Pragma("GCC unroll 1")
#endif

// For `bytes` of a ring that are written soon, from the line of `p` on. Two short loops and not unrolled: they stand in
// loops that need the registers.
static inline void cring_prefetch_write(const void *p, size_t bytes) {
  const char *line = (const char *)p, *end = line + bytes;
#if defined(__x86_64__)
  if (__builtin_expect(cring_takes_lines, 1)) {
    CRING_ROLLED for (; line < end; line += 64) cring_prefetch_exclusive(line);
    return;
  }
#endif
  CRING_ROLLED for (; line < end; line += 64) __builtin_prefetch(line, 1, 3);
}

#undef CRING_ROLLED

#endif
