// What a process waits for beside sockets: timers and signals, as descriptors.
#ifndef CRING_OS_EVENT_H
#define CRING_OS_EVENT_H

#include <stddef.h>
#include <stdint.h>

// A timer of the machine's monotonic clock, which is not set.
int cring_timer_create(int *fd);
// Expires after `first` nanoseconds and then every `interval`; 0 for `first` stops it, 0 for `interval`: once.
int cring_timer_set(int fd, uint64_t first, uint64_t interval);
// How often it expired since the last call; 0 when it did not. Does not wait.
uint64_t cring_timer_take(int fd);

// Blocks signals for the calling thread, and for those that it starts later, and makes a descriptor that becomes ready
// when one of them comes. EINVAL for what is no signal.
int cring_signals_watch(const int *signals, size_t count, int *fd);
// The signal that came first, 0 when none did. Does not wait.
int cring_signals_take(int fd);

#endif
