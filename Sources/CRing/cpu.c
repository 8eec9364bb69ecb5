#define _GNU_SOURCE
#include "cring/cpu.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cring/barriers.h"

bool cring_takes_lines;

#if defined(__x86_64__)
#include <cpuid.h>

__attribute__((constructor)) static void read_vendor(void) {
  enum { prefetchw = 1 << 8 };
  unsigned a, b, c, d, word[3];
  // Without the bit the instruction does nothing.
  if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & prefetchw)) return;
  if (!__get_cpuid(0, &a, &word[0], &word[2], &word[1])) return;
  cring_takes_lines = memcmp(word, "GenuineIntel", sizeof word) == 0;
}
#endif

int cring_pin_to_cpu(int cpu) {
  enum { most = 1 << 20 };
  if (cpu < 0 || cpu >= most) return EINVAL;
  cpu_set_t *set = CPU_ALLOC((size_t)cpu + 1);
  if (!set) return ENOMEM;
  size_t bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
  CPU_ZERO_S(bytes, set);
  CPU_SET_S((size_t)cpu, bytes, set);
  int e = sched_setaffinity(0, bytes, set) == 0 ? 0 : errno;
  CPU_FREE(set);
  return e;
}

int cring_current_cpu(void) {
  int cpu = sched_getcpu();
  return cpu >= 0 ? cpu : -errno;
}

uint64_t cring_involuntary_switches(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) != 0) return 0;
  return (uint64_t)usage.ru_nivcsw;
}

int cring_stolen_ticks(int cpu, uint64_t *out) {
  FILE *f = fopen("/proc/stat", "re");
  if (!f) return errno;
  char label[16], line[512];
  snprintf(label, sizeof label, "cpu%d ", cpu);
  int result = ENOENT;
  while (fgets(line, sizeof line, f)) {
    if (strncmp(line, "cpu", 3) != 0) break;
    if (strncmp(line, label, strlen(label)) != 0) continue;
    unsigned long long field[8] = {0};
    if (sscanf(line + strlen(label), "%llu %llu %llu %llu %llu %llu %llu %llu", &field[0], &field[1], &field[2],
               &field[3], &field[4], &field[5], &field[6], &field[7]) == 8) {
      *out = field[7];
      result = 0;
    } else {
      result = ENOTSUP;
    }
    break;
  }
  fclose(f);
  return result;
}
