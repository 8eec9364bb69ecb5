// Sleeping on a word that threads or processes share.
#ifndef CRING_FUTEX_H
#define CRING_FUTEX_H

#include <stdint.h>

// Sleeps until the word may be another than `value`; returns at once when it is. May return for no reason.
void cring_futex_wait(const uint32_t *word, uint32_t value);
void cring_futex_wake(const uint32_t *word);

#endif
