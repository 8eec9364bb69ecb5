// Ctrl-C as a flag that every thread can read.
#ifndef CRINGBENCH_INTERRUPT_H
#define CRINGBENCH_INTERRUPT_H

#include <stdbool.h>

// The first SIGINT sets the flag; the second ends the process as usual. Returns 0 or an errno.
int crb_interrupt_install(void);

// The same for SIGTERM, which is how a manager of devices ends one.
int crb_termination_install(void);

bool crb_interrupted(void);

#endif
