// Barriers. The cpu_* set orders memory against another CPU. The device_* set orders it against a hardware device
// that snoops the bus (virtio 1.2 section 6, VIRTIO_F_ORDER_PLATFORM): on x86-64 it also orders non-temporal stores and
// write-combining memory, on arm64 it widens the domain from inner to outer shareable.
#ifndef CRING_BARRIERS_H
#define CRING_BARRIERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

// Whether a line of a ring that is written soon is to be taken from the other CPU, and not only fetched; set before
// main. On Intel it is: a line that is only fetched is shared, and each store to it waits until the other CPU has given
// it up. On Zen it is not: taken ahead of time, the line crosses twice. Measured: Documentation/ring-cost.md. arm64 has
// one instruction for both, and no flag.
extern bool cring_takes_lines;

// Takes one line that is written soon where lines are taken, and does nothing elsewhere.
static inline void cring_take_line(const void *p) {
#if defined(__x86_64__)
  if (__builtin_expect(cring_takes_lines, 1)) cring_prefetch_exclusive(p);
#else
  (void)p;
#endif
}

#if defined(__clang__)
#define CRING_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define CRING_ROLLED _Pragma("GCC unroll 1")
#endif

// For the lines with a part in what is from `first` up to `end`. Two short loops, not unrolled: the loop around them
// needs the registers.
static inline void cring_prefetch_write(const void *first, const void *end) {
  const char *line = (const char *)((uintptr_t)first & ~(uintptr_t)63);
#if defined(__x86_64__)
  if (__builtin_expect(cring_takes_lines, 1)) {
    CRING_ROLLED for (; line < (const char *)end; line += 64) cring_prefetch_exclusive(line);
    return;
  }
  // As for reading: with a newer target the builtin for writing is `prefetchw`, which is what is not wanted here.
  CRING_ROLLED for (; line < (const char *)end; line += 64) __builtin_prefetch(line, 0, 3);
#else
  CRING_ROLLED for (; line < (const char *)end; line += 64) __builtin_prefetch(line, 1, 3);
#endif
}

#undef CRING_ROLLED

#endif
