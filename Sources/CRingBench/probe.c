#include "cringbench/probe.h"

#include "cringbench/interrupt.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

// A run that was asked to end waits no longer for an answer than a thread that lost its CPU may take.
enum { batches = 16, warm_up = 32, spins_per_look = 4096, interrupted_ns = 100000000 };

static uint64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

// No pause in the loop: it would add up to 25 ns, of the order of what is measured.
static inline bool await(const uint64_t *line, uint64_t value, uint64_t timeout_ns) {
  uint64_t since = 0;
  for (;;) {
    for (int i = 0; i < spins_per_look; i++)
      if (__atomic_load_n(line, __ATOMIC_ACQUIRE) == value) return true;
    uint64_t now = nanoseconds();
    if (since == 0) since = now;
    if (now - since > timeout_ns || (crb_interrupted() && now - since > interrupted_ns)) return false;
  }
}

static uint64_t per_batch(uint64_t exchanges) { return exchanges < batches ? 1 : exchanges / batches; }

void crb_probe_reset(uint64_t *line) { __atomic_store_n(line, 0, __ATOMIC_RELEASE); }

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The line counts turns: odd is a question, the next even number its answer. Each side knows where it stands from the
// number it left there itself, so a run of probes needs no reset in between.
double crb_probe_ping(uint64_t *line, uint64_t exchanges, uint64_t timeout_ns) {
  uint64_t count = per_batch(exchanges);
  uint64_t value = __atomic_load_n(line, __ATOMIC_ACQUIRE);
  for (int i = 0; i < warm_up; i++, value += 2) {
    __atomic_store_n(line, value + 1, __ATOMIC_RELEASE);
    if (!await(line, value + 2, timeout_ns)) return -1;
  }
  double took[batches];
  for (int b = 0; b < batches; b++) {
    uint64_t start = nanoseconds();
    for (uint64_t i = 0; i < count; i++, value += 2) {
      __atomic_store_n(line, value + 1, __ATOMIC_RELEASE);
      if (!await(line, value + 2, timeout_ns)) return -1;
    }
    took[b] = (double)(nanoseconds() - start) / (double)count;
  }
  qsort(took, batches, sizeof took[0], ascending);
  return (took[batches / 2 - 1] + took[batches / 2]) / 2;
}

int crb_probe_pong(uint64_t *line, uint64_t exchanges, uint64_t timeout_ns) {
  // The question may already be there: an odd number belongs to the exchange that starts now.
  uint64_t value = __atomic_load_n(line, __ATOMIC_ACQUIRE) & ~1ull;
  uint64_t total = warm_up + batches * per_batch(exchanges);
  for (uint64_t i = 0; i < total; i++, value += 2) {
    if (!await(line, value + 1, timeout_ns)) return ETIMEDOUT;
    __atomic_store_n(line, value + 2, __ATOMIC_RELEASE);
  }
  return 0;
}
