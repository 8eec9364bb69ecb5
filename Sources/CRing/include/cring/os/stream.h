// Non-blocking Unix stream sockets that carry descriptors beside the bytes, and the wait for several of them. Errors
// are errno values; EAGAIN: nothing to be had now.
#ifndef CRING_STREAM_H
#define CRING_STREAM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What one message of a vhost-user connection may carry.
enum { CRING_STREAM_MOST_DESCRIPTORS = 8 };

// The errno values that have a meaning of their own here.
static const int CRING_STREAM_WOULD_BLOCK = EAGAIN;
static const int CRING_STREAM_GONE = EPIPE;
static const int CRING_STREAM_RESET = ECONNRESET;
static const int CRING_STREAM_TOO_MANY = ETOOMANYREFS;
static const int CRING_STREAM_NOT_A_SOCKET = ENOTSOCK;
static const int CRING_STREAM_TIMED_OUT = ETIMEDOUT;
static const int CRING_STREAM_INTERRUPTED = EINTR;

// A socket that waits at a path, the lock that keeps others from the path, and what was bound there.
struct cring_listener {
  int fd;
  int lock;
  uint64_t device, inode;
};

// Waits at `path` with a lock beside it, `path`.lock. A socket that a dead process left there is replaced, anything
// else is EADDRINUSE.
int cring_stream_listen(const char *path, struct cring_listener *out);
// Removes what was bound, if it is still at the path, and the lock.
void cring_stream_close(const char *path, const struct cring_listener *listener);
int cring_stream_accept(int listening, int *fd);
// Does not wait: EAGAIN when as many connections wait to be accepted as the peer allows.
int cring_stream_connect(const char *path, int *fd);
int cring_stream_pair(int out[2]);

// Makes a socket that came from elsewhere non-blocking; ENOTSOCK when it is no Unix stream socket.
int cring_stream_attach(int fd);

// Sends what the socket takes, `*sent` bytes; the descriptors go with the first of them and stay open here.
int cring_stream_send(int fd, const void *bytes, size_t count, const int *fds, size_t fd_count, size_t *sent);

// Receives at most `capacity` bytes; `*received` is 0 when the other end is gone. At most `fd_capacity` descriptors are
// stored, closed on exec; when more came, all that arrived are closed and the answer is ETOOMANYREFS.
int cring_stream_receive(int fd, void *bytes, size_t capacity, size_t *received, int *fds, size_t fd_capacity,
                         size_t *fd_count);

enum { CRING_WATCH_READ = 1, CRING_WATCH_WRITE = 2, CRING_WATCH_ENDED = 4 };

// One descriptor to wait for: what is wanted of it goes in, what is there comes out.
struct cring_watch {
  int fd;  // a negative one is left out
  uint8_t wanted;
  uint8_t ready;
};

// Waits up to `milliseconds` (-1: for ever). A signal ends the wait with nothing ready.
int cring_watch_wait(struct cring_watch *watches, size_t count, int milliseconds);

// A second descriptor of the same file, closed on exec.
int cring_descriptor_duplicate(int fd, int *out);

// Whether it is an eventfd; true as well where /proc cannot tell.
bool cring_is_eventfd(int fd);

#endif
