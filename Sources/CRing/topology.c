#define _GNU_SOURCE
#include "cring/topology.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#ifdef CRING_NUMA
#include <numa.h>
#endif

bool cring_numa_built(void) {
#ifdef CRING_NUMA
  return true;
#else
  return false;
#endif
}

bool cring_numa_available(void) {
#ifdef CRING_NUMA
  return numa_available() >= 0;
#else
  return false;
#endif
}

int cring_node_limit(void) {
#ifdef CRING_NUMA
  if (cring_numa_available()) return numa_max_node() + 1;
#endif
  return 1;
}

bool cring_node_exists(int node) {
#ifdef CRING_NUMA
  if (cring_numa_available())
    return node >= 0 && node <= numa_max_node() && numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node);
#endif
  return node == 0;
}

int cring_node_memory(int node, uint64_t *total, uint64_t *available) {
  if (!cring_node_exists(node)) return ENOENT;
#ifdef CRING_NUMA
  if (cring_numa_available()) {
    long long free_bytes = 0;
    long long size = numa_node_size64(node, &free_bytes);
    if (size < 0) return ENOENT;
    *total = (uint64_t)size;
    *available = (uint64_t)free_bytes;
    return 0;
  }
#endif
  long page = sysconf(_SC_PAGESIZE), all = sysconf(_SC_PHYS_PAGES), left = sysconf(_SC_AVPHYS_PAGES);
  if (page < 0 || all < 0 || left < 0) return ENOTSUP;
  *total = (uint64_t)page * (uint64_t)all;
  *available = (uint64_t)page * (uint64_t)left;
  return 0;
}

int cring_node_distance(int from, int to) {
  if (!cring_node_exists(from) || !cring_node_exists(to)) return -ENOENT;
#ifdef CRING_NUMA
  if (cring_numa_available()) {
    int d = numa_distance(from, to);
    return d > 0 ? d : -ENOENT;
  }
#endif
  return 10;
}

int cring_node_of_cpu(int cpu) {
  if (cpu < 0 || cpu >= cring_cpu_limit()) return -ENOENT;
#ifdef CRING_NUMA
  if (cring_numa_available()) {
    int node = numa_node_of_cpu(cpu);
    return node >= 0 ? node : -ENOENT;
  }
#endif
  return 0;
}

// The kernel refuses a mask that is smaller than its own, so the mask grows until it fits. NULL: the kernel does not
// tell. The mask is the main thread's: threads that are pinned do not say what the process may use.
static cpu_set_t *process_cpus(size_t *bytes) {
  enum { most = 1 << 20 };
  for (size_t cpus = CPU_SETSIZE; cpus <= most; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    if (!set) return NULL;
    *bytes = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(*bytes, set);
    if (sched_getaffinity(getpid(), *bytes, set) == 0) return set;
    int e = errno;
    CPU_FREE(set);
    if (e != EINVAL) return NULL;
  }
  return NULL;
}

int cring_cpu_limit(void) {
  long configured = sysconf(_SC_NPROCESSORS_CONF);
  int limit = configured > 0 ? (int)configured : 1;
  size_t bytes = 0;
  cpu_set_t *set = process_cpus(&bytes);
  if (!set) return limit;
  // Numbers may have gaps: the number of CPUs is no limit of their numbers.
  for (int cpu = (int)(bytes * 8) - 1; cpu >= limit; cpu--) {
    if (CPU_ISSET_S((size_t)cpu, bytes, set)) limit = cpu + 1;
  }
  CPU_FREE(set);
  return limit;
}

bool cring_cpu_usable(int cpu) {
  if (cpu < 0 || cpu >= cring_cpu_limit()) return false;
  size_t bytes = 0;
  cpu_set_t *set = process_cpus(&bytes);
  // Where the kernel does not tell, pinning does.
  if (!set) return true;
  bool usable = CPU_ISSET_S((size_t)cpu, bytes, set);
  CPU_FREE(set);
  return usable;
}
