#define _GNU_SOURCE

#include "cring/doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

int cring_doorbell_create(int *out) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return errno;
  *out = fd;
  return 0;
}

void cring_doorbell_attach(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && !(flags & O_NONBLOCK)) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void cring_doorbell_close(int fd) { close(fd); }

void cring_doorbell_ring(int fd) {
  uint64_t one = 1;
  ssize_t r;
  do {
    r = write(fd, &one, sizeof one);
  } while (r < 0 && errno == EINTR);
}

void cring_doorbell_ring_shared(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT)) cring_doorbell_ring(fd);
}

bool cring_doorbell_take(int fd) {
  uint64_t count;
  struct iovec part = {.iov_base = &count, .iov_len = sizeof count};
  ssize_t r;
  do {
    r = preadv2(fd, &part, 1, -1, RWF_NOWAIT);
  } while (r < 0 && errno == EINTR);
  if (r < 0 && errno != EAGAIN) {
    // A kernel before 5.8, or what stands in for one, knows that of files alone.
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 0) != 1 || !(p.revents & POLLIN)) return false;
    do {
      r = read(fd, &count, sizeof count);
    } while (r < 0 && errno == EINTR);
  }
  return r == (ssize_t)sizeof count;
}

bool cring_doorbell_wait(int fd, int milliseconds) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  if (poll(&p, 1, milliseconds) != 1) return false;
  return cring_doorbell_take(fd);
}
