// What a machine and a build tell in C alone.
#ifndef CRINGBENCH_MACHINE_H
#define CRINGBENCH_MACHINE_H

// 0 when this process may count cycles in hardware, else the errno of perf_event_open (ENOENT: the machine has no such
// counter; EACCES or EPERM: perf_event_paranoid forbids it).
int crb_hardware_counters(void);

// The commit this was built from, or "unknown"; lives as long as the process.
const char *crb_commit(void);

#endif
