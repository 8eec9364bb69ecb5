// The kernel's random bytes, which Swift's Glibc does not show.
#ifndef CRING_RANDOM_H
#define CRING_RANDOM_H

#include <stddef.h>

// Fills memory; a call that a signal interrupts goes on. An errno where the kernel gives none.
int cring_random_fill(void *to, size_t bytes);

#endif
