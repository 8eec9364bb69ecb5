// Nodes, CPUs, distances. Built without libnuma (trait NUMA off), or on a kernel without NUMA, there is one node: 0.
#ifndef CRING_TOPOLOGY_H
#define CRING_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// True when libnuma is linked and the kernel answers it.
bool cring_numa_available(void);

// True when this build carries libnuma at all.
bool cring_numa_built(void);

// Highest node number + 1 (node numbers may have holes: see cring_node_exists).
int cring_node_limit(void);
bool cring_node_exists(int node);

// Bytes of memory on the node, and free ones. Returns 0 or an errno.
int cring_node_memory(int node, uint64_t *total, uint64_t *available);

// The firmware's distance (10 = local), or -ENOENT.
int cring_node_distance(int from, int to);

// The node a CPU belongs to, or -ENOENT.
int cring_node_of_cpu(int cpu);

// Highest CPU number + 1, of those configured and those this process may use, and whether it may run there now. Where
// the kernel does not tell, every configured CPU counts as usable.
int cring_cpu_limit(void);
bool cring_cpu_usable(int cpu);

#endif
