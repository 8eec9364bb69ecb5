// Sockets that carry whole messages between two processes, with time-outs. Errors are errno values.
#ifndef CRING_CHANNEL_H
#define CRING_CHANNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The errno values that have a meaning of their own here: nothing came or went in time; the other end is gone.
static const int CRING_CHANNEL_TIMED_OUT = EAGAIN;
static const int CRING_CHANNEL_INTERRUPTED = EINTR;
static const int CRING_CHANNEL_GONE = EPIPE;
static const int CRING_CHANNEL_RESET = ECONNRESET;

// Two connected ends (SOCK_SEQPACKET: a message arrives whole or not at all), both closed on exec.
int cring_channel_pair(int out[2]);
void cring_channel_close(int fd);

// Sends and receives give up with EAGAIN after that many nanoseconds; 0 waits for ever.
int cring_channel_set_timeout(int fd, uint64_t nanoseconds);

// EPIPE or ECONNRESET when the other end is gone: never a signal. Without `wait` EAGAIN at once when the other end does
// not read.
int cring_channel_send(int fd, const void *bytes, size_t count, bool wait);

// `*received` is the length of the message as it was sent, which may be more than `capacity` (the rest is lost), and 0
// when the other end is gone.
int cring_channel_receive(int fd, void *bytes, size_t capacity, size_t *received);

// Waits until a message, or the end, can be received on one of `count` descriptors (negative ones are left out) and
// stores its index.
int cring_channel_wait(const int *fds, size_t count, size_t *index);

#endif
