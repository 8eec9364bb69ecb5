// An eventfd as a kick or call. glibc's sys/eventfd.h is not visible to Swift.
#ifndef CRING_DOORBELL_H
#define CRING_DOORBELL_H

#include <stdbool.h>

// Non-blocking, close-on-exec. Returns 0 or an errno.
int cring_doorbell_create(int *out);

// Makes an eventfd that another process made non-blocking: a full or an empty counter must not put us to sleep. The
// flag belongs to both processes: a peer may clear it again.
void cring_doorbell_attach(int fd);

void cring_doorbell_close(int fd);

// Adds one to the counter; a counter at its limit already wakes, so that is no error.
void cring_doorbell_ring(int fd);

// The same of one that a peer has too and whose flag it may have cleared: has the kernel do it as the completion of an
// asynchronous request, which does not wait. Where there are no such requests (CONFIG_AIO, seccomp, fs.aio-max-nr)
// looks first whether there is room: then a peer that fills it between the look and the write can put us to sleep,
// until a signal comes.
void cring_doorbell_ring_shared(int fd);

// Resets the counter; false when it was zero. Does not wait for it, whatever the flag says (RWF_NOWAIT; before Linux
// 5.8 it looks first).
bool cring_doorbell_take(int fd);

// Sleeps until it is rung or the time is up (-1: for ever), then takes. False on time-out or signal.
bool cring_doorbell_wait(int fd, int milliseconds);

#endif
