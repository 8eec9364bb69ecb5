#define _GNU_SOURCE
#include "cring/os/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix_internal.h"

_Static_assert(CRING_STREAM_MOST_DESCRIPTORS <= UNIX_ROOM, "all that may come are seen");

// A process that was killed leaves its socket behind, and nothing answers there any more. Asked with a socket of
// another type, which takes no turn of the one that waits there: EPROTOTYPE when there is one.
static bool is_abandoned(const char *path, const struct sockaddr_un *at) {
  struct stat s;
  if (lstat(path, &s) != 0 || !S_ISSOCK(s.st_mode)) return false;
  int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  bool refused = connect(probe, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
  close(probe);
  return refused;
}

static void name_lock(const char *path, char out[static sizeof((struct sockaddr_un *)0)->sun_path + 8]) {
  snprintf(out, sizeof((struct sockaddr_un *)0)->sun_path + 8, "%s.lock", path);
}

// Keeps every other process that waits by this function from the path. One that is at its end removes the file, so what
// was locked must still be what has the name.
static int take_lock(const char *path, int *out) {
  char name[sizeof((struct sockaddr_un *)0)->sun_path + 8];
  name_lock(path, name);
  for (;;) {
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno;
    struct stat held, named;
    int e = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    if (e == 0 && fstat(fd, &held) != 0) e = errno;
    // Another program's file of that name is not removed.
    if (e == 0 && (!S_ISREG(held.st_mode) || held.st_size != 0)) e = EADDRINUSE;
    if (e == 0 && stat(name, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino) {
      *out = fd;
      return 0;
    }
    close(fd);
    if (e && e != EINTR) return e == EWOULDBLOCK ? EADDRINUSE : e;
  }
}

static void give_lock(const char *path, int fd) {
  char name[sizeof((struct sockaddr_un *)0)->sun_path + 8];
  name_lock(path, name);
  unlink(name);
  close(fd);
}

int cring_stream_listen(const char *path, struct cring_listener *out) {
  struct sockaddr_un at;
  struct unix_bound bound = {0};
  int lock = -1;
  int e = unix_address(path, &at);
  if (!e) e = take_lock(path, &lock);
  if (e) return e;
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  e = s < 0 ? errno : unix_bind(s, path, &at, &bound);
  if (e == EADDRINUSE && is_abandoned(path, &at)) {
    unlink(path);
    e = unix_bind(s, path, &at, &bound);
  }
  if (!e && listen(s, 1) != 0) {
    e = errno;
    unix_remove(path, &bound);
  }
  if (e) {
    if (s >= 0) close(s);
    give_lock(path, lock);
    return e;
  }
  *out = (struct cring_listener){.fd = s, .lock = lock, .device = bound.device, .inode = bound.inode};
  return 0;
}

void cring_stream_close(const char *path, const struct cring_listener *listener) {
  close(listener->fd);
  unix_remove(path, &(struct unix_bound){.device = listener->device, .inode = listener->inode});
  give_lock(path, listener->lock);
}

int cring_stream_accept(int listening, int *fd) {
  int s;
  do {
    s = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    // One that went away while it waited is none.
  } while (s < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (s < 0) return errno;
  *fd = s;
  return 0;
}

int cring_stream_connect(const char *path, int *fd) { return unix_connect(path, SOCK_STREAM, fd); }

int cring_stream_pair(int out[2]) {
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out) == 0 ? 0 : errno;
}

int cring_stream_attach(int fd) {
  int domain = 0, type = 0;
  socklen_t n = sizeof domain, m = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) != 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &m) != 0)
    return errno;
  // What others bring along beside their messages is not known here.
  if (domain != AF_UNIX || type != SOCK_STREAM) return ENOTSOCK;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return errno;
  return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : errno;
}

int cring_stream_send(int fd, const void *bytes, size_t count, const int *fds, size_t fd_count, size_t *sent) {
  union unix_control control;
  // sendmsg takes what it does not change as not constant.
  struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd_count > CRING_STREAM_MOST_DESCRIPTORS) return CRING_STREAM_TOO_MANY;
  unix_attach(&message, &control, fds, fd_count);
  ssize_t r;
  do {
    // Not blocking, whatever the other holder of the socket made of its flags.
    r = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  *sent = (size_t)r;
  return 0;
}

int cring_stream_receive(int fd, void *bytes, size_t capacity, size_t *received, int *fds, size_t fd_capacity,
                         size_t *fd_count) {
  union unix_control control;
  memset(&control, 0, sizeof control);
  struct iovec part = {.iov_base = bytes, .iov_len = capacity};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *fd_count = 0;
  *received = 0;
  ssize_t r;
  do {
    r = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  *received = (size_t)r;
  if (!unix_take(&message, fds, fd_capacity, fd_count)) return CRING_STREAM_TOO_MANY;
  return 0;
}

int cring_watch_wait(struct cring_watch *watches, size_t count, int milliseconds) {
  struct pollfd local[64], *p = local;
  if (count > sizeof local / sizeof local[0]) p = calloc(count, sizeof *p);
  if (!p) return ENOMEM;
  // Without those that are not waited for: poll refuses more entries than the process may have descriptors.
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    watches[i].ready = 0;
    if (watches[i].fd < 0) continue;
    short events = 0;
    if (watches[i].wanted & CRING_WATCH_READ) events |= POLLIN;
    if (watches[i].wanted & CRING_WATCH_WRITE) events |= POLLOUT;
    p[used++] = (struct pollfd){.fd = watches[i].fd, .events = events};
  }
  int r = poll(p, used, milliseconds);
  int e = r < 0 && errno != EINTR ? errno : 0;
  used = 0;
  for (size_t i = 0; r > 0 && i < count; i++) {
    if (watches[i].fd < 0) continue;
    short came = p[used++].revents;
    if (came & POLLIN) watches[i].ready |= CRING_WATCH_READ;
    if (came & POLLOUT) watches[i].ready |= CRING_WATCH_WRITE;
    if (came & (POLLHUP | POLLERR | POLLNVAL)) watches[i].ready |= CRING_WATCH_ENDED;
  }
  if (p != local) free(p);
  return e;
}

int cring_descriptor_duplicate(int fd, int *out) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return errno;
  *out = copy;
  return 0;
}

bool cring_is_eventfd(int fd) {
  char path[64], target[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(path, target, sizeof target - 1);
  if (n < 0) {
    // Without /proc: an eventfd has no file type. What has one, as pipes and sockets do, is none.
    struct stat s;
    return fstat(fd, &s) == 0 && (s.st_mode & S_IFMT) == 0;
  }
  target[n] = 0;
  return strcmp(target, "anon_inode:[eventfd]") == 0;
}
