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

int cring_cpu_limit(void) {
  long n = sysconf(_SC_NPROCESSORS_CONF);
  return n > 0 ? (int)n : 1;
}

bool cring_cpu_usable(int cpu) {
  cpu_set_t set;
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof set, &set) != 0) return false;
  return CPU_ISSET(cpu, &set);
}
