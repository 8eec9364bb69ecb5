#define _GNU_SOURCE
#include "cring/os/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unix_internal.h"

_Static_assert(CRING_MOST_DESCRIPTORS <= UNIX_ROOM, "all that may come are seen");

int cring_socket_listen(const char *path, struct cring_listener *out) {
  struct sockaddr_un at;
  struct unix_bound bound = {0};
  int e = unix_address(path, &at);
  if (e) return e;
  int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (s < 0) return errno;
  e = unix_bind(s, path, &at, &bound);
  if (!e && listen(s, 1) != 0) {
    e = errno;
    unix_remove(path, &bound);
  }
  if (e) {
    close(s);
    return e;
  }
  *out = (struct cring_listener){.fd = s, .lock = -1, .device = bound.device, .inode = bound.inode};
  return 0;
}

int cring_socket_accept(const struct cring_listener *listener, const char *path, int *fd) {
  int s;
  do {
    s = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
  } while (s < 0 && (errno == EINTR || errno == ECONNABORTED));
  int e = s < 0 ? errno : 0;
  unix_remove(path, &(struct unix_bound){.device = listener->device, .inode = listener->inode});
  close(listener->fd);
  if (e == 0) *fd = s;
  return e;
}

int cring_socket_connect(const char *path, int *fd) {
  int s = -1;
  int e = unix_connect(path, SOCK_SEQPACKET, &s);
  if (e) return e;
  // From here on it waits, as long as it is told to.
  if (fcntl(s, F_SETFL, 0) != 0) {
    e = errno;
    close(s);
    return e;
  }
  *fd = s;
  return 0;
}

int cring_message_send(int fd, const void *bytes, size_t count, const int *fds, size_t fd_count) {
  union unix_control control;
  // sendmsg takes what it does not change as not constant.
  struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd_count > CRING_MOST_DESCRIPTORS) return EINVAL;
  unix_attach(&message, &control, fds, fd_count);
  ssize_t r;
  do {
    r = sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  return (size_t)r == count ? 0 : EMSGSIZE;
}

int cring_message_receive(int fd, void *bytes, size_t capacity, size_t *received, int *fds, size_t fd_capacity,
                          size_t *fd_count) {
  union unix_control control;
  memset(&control, 0, sizeof control);
  struct iovec part = {.iov_base = bytes, .iov_len = capacity};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *fd_count = 0;
  ssize_t r;
  do {
    r = recvmsg(fd, &message, MSG_TRUNC | MSG_CMSG_CLOEXEC);
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  *received = (size_t)r;
  if (!unix_take(&message, fds, fd_capacity, fd_count)) *fd_count = fd_capacity + 1;
  return 0;
}

bool cring_socket_has_ended(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLRDHUP};
  int r;
  do {
    r = poll(&p, 1, 0);
  } while (r < 0 && errno == EINTR);
  return r < 0 || (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void cring_socket_shut(int fd) { shutdown(fd, SHUT_RDWR); }
