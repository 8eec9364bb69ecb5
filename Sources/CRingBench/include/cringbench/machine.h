// What only a system call without a wrapper tells.
#ifndef CRINGBENCH_MACHINE_H
#define CRINGBENCH_MACHINE_H

// 0 when this process may count cycles in hardware, else the errno of perf_event_open (ENOENT: the machine has no such
// counter; EACCES or EPERM: perf_event_paranoid forbids it).
int crb_hardware_counters(void);

#endif
