// SIGINT, SIGTERM and SIGHUP, handled alike, as a flag that every thread can read.
#ifndef CRINGBENCH_INTERRUPT_H
#define CRINGBENCH_INTERRUPT_H

#include <stdbool.h>

// The first signal sets the flag; the second ends the process with 128 + its number, as process 1 too. Ignores SIGXFSZ.
void crb_interrupt_install(void);

// From now on the first signal ends the process as well, and one that came before does so now.
void crb_interrupt_end_at_once(void);

// For a process that ends with its parent: a signal to the whole group is the parent's affair.
void crb_interrupt_ignore(void);

bool crb_interrupted(void);

// The signal that set the flag, or 0.
int crb_interrupt_signal(void);

#endif
