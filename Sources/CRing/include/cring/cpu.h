// Pinning, and what the scheduler and the hypervisor did to the calling thread.
#ifndef CRING_CPU_H
#define CRING_CPU_H

#include <stdint.h>

// Binds the calling thread to one CPU. Returns 0 or an errno (EINVAL: no such CPU, or not in the allowed set).
int cring_pin_to_cpu(int cpu);

// The CPU the calling thread runs on, or -errno.
int cring_current_cpu(void);

// Times the calling thread was taken off its CPU against its will so far.
uint64_t cring_involuntary_switches(void);

// Time the hypervisor kept from `cpu`, in USER_HZ ticks since boot (/proc/stat). Returns 0 or an errno.
int cring_stolen_ticks(int cpu, uint64_t *out);

#endif
