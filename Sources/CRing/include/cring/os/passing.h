// Unix sockets at a path, and messages that carry descriptors. Errors are errno values.
#ifndef CRING_PASSING_H
#define CRING_PASSING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cring/os/stream.h"

enum { CRING_MOST_DESCRIPTORS = 16 };

// A SOCK_SEQPACKET socket that waits at `path`, which must not exist; ENAMETOOLONG when the path does not fit.
int cring_socket_listen(const char *path, struct cring_listener *out);
// Waits for one connection and ends the listening. What was bound at the path is removed: a second driver finds no
// listener.
int cring_socket_accept(const struct cring_listener *listener, const char *path, int *fd);
// Does not wait: EAGAIN when as many connections wait to be accepted as the device allows.
int cring_socket_connect(const char *path, int *fd);

// Sends one message with `fd_count` descriptors, which stay open here.
int cring_message_send(int fd, const void *bytes, size_t count, const int *fds, size_t fd_count);

// Receives one message. `*received` as in cring_channel_receive. Of the descriptors that came with it up to
// `fd_capacity` are stored, closed on exec; when more came than that, none is, `*fd_count` says one more than
// `fd_capacity`, and all that arrived are closed.
int cring_message_receive(int fd, void *bytes, size_t capacity, size_t *received, int *fds, size_t fd_capacity,
                          size_t *fd_count);

// Whether the other end is gone: one system call, nothing is taken out of the socket.
bool cring_socket_has_ended(int fd);

// Ends the connection for both sides without closing the descriptor: a thread that waits in a receive returns.
void cring_socket_shut(int fd);

#endif
