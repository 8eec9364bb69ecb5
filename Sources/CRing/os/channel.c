#define _GNU_SOURCE
#include "cring/os/channel.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int cring_channel_pair(int out[2]) {
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out) == 0 ? 0 : errno;
}

void cring_channel_close(int fd) { close(fd); }

int cring_channel_set_timeout(int fd, uint64_t nanoseconds) {
  struct timeval t = {.tv_sec = (time_t)(nanoseconds / 1000000000u),
                      .tv_usec = (suseconds_t)(nanoseconds % 1000000000u / 1000u)};
  // All zero means for ever: what was asked for is shorter than a microsecond.
  if (nanoseconds != 0 && t.tv_sec == 0 && t.tv_usec == 0) t.tv_usec = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) != 0) return errno;
  return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) == 0 ? 0 : errno;
}

int cring_channel_send(int fd, const void *bytes, size_t count, bool wait) {
  ssize_t r;
  do {
    r = send(fd, bytes, count, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  return (size_t)r == count ? 0 : EMSGSIZE;
}

int cring_channel_receive(int fd, void *bytes, size_t capacity, size_t *received) {
  ssize_t r;
  do {
    r = recv(fd, bytes, capacity, MSG_TRUNC);
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  *received = (size_t)r;
  return 0;
}

int cring_channel_wait(const int *fds, size_t count, size_t *index) {
  enum { most = 16 };
  struct pollfd p[most];
  if (count > most) return EINVAL;
  for (size_t i = 0; i < count; i++) p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  int r;
  do {
    r = poll(p, count, -1);
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  for (size_t i = 0; i < count; i++) {
    if (p[i].revents == 0) continue;
    *index = i;
    return 0;
  }
  return EAGAIN;
}
