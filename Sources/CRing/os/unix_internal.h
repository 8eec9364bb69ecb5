// What the two kinds of Unix socket share: an address made of a path, and descriptors beside a message.
#ifndef CRING_UNIX_INTERNAL_H
#define CRING_UNIX_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// More than either kind allows a message would be cut off by the kernel; up to this many are seen, and closed when too
// many.
enum { UNIX_ROOM = 16 };

// Beside descriptors there is room for what the other holder of a socket may ask the kernel to add by the socket's
// options: credentials, a label, times, a pidfd.
union unix_control {
  struct cmsghdr header;
  char room[CMSG_SPACE(UNIX_ROOM * sizeof(int)) + 1024];
};

// linux/socket.h: the sender's pidfd, a descriptor that the sender did not pass.
enum { UNIX_SCM_PIDFD = 4 };

// What was bound at a path, to be removed there and nothing else.
struct unix_bound {
  dev_t device;
  ino_t inode;
};

static inline int unix_address(const char *path, struct sockaddr_un *out) {
  memset(out, 0, sizeof *out);
  out->sun_family = AF_UNIX;
  size_t length = strlen(path);
  if (length == 0) return EINVAL;
  if (length >= sizeof out->sun_path) return ENAMETOOLONG;
  memcpy(out->sun_path, path, length);
  return 0;
}

static inline int unix_bind(int fd, const char *path, const struct sockaddr_un *at, struct unix_bound *out) {
  struct stat s;
  // Linux makes the file with the socket's own rights: at no moment another user's process can connect.
  if (fchmod(fd, 0600) != 0) return errno;
  if (bind(fd, (const struct sockaddr *)at, sizeof *at) != 0 || lstat(path, &s) != 0) return errno;
  *out = (struct unix_bound){.device = s.st_dev, .inode = s.st_ino};
  return 0;
}

static inline void unix_remove(const char *path, const struct unix_bound *bound) {
  struct stat s;
  if (lstat(path, &s) == 0 && s.st_dev == bound->device && s.st_ino == bound->inode) unlink(path);
}

// Connects without waiting: EAGAIN when as many wait to be accepted already as may.
static inline int unix_connect(const char *path, int type, int *fd) {
  struct sockaddr_un at;
  int e = unix_address(path, &at);
  if (e) return e;
  int s = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s < 0) return errno;
  if (connect(s, (struct sockaddr *)&at, sizeof at) != 0) {
    e = errno;
    close(s);
    return e;
  }
  *fd = s;
  return 0;
}

// `count` at most UNIX_ROOM.
static inline void unix_attach(struct msghdr *message, union unix_control *control, const int *fds, size_t count) {
  if (count == 0) return;
  memset(control, 0, sizeof *control);
  message->msg_control = control;
  message->msg_controllen = CMSG_SPACE(count * sizeof(int));
  struct cmsghdr *h = CMSG_FIRSTHDR(message);
  h->cmsg_level = SOL_SOCKET;
  h->cmsg_type = SCM_RIGHTS;
  h->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(h), fds, count * sizeof(int));
}

// False when more came than `capacity`: then all that arrived are closed. So is a pidfd, always.
static inline bool unix_take(struct msghdr *message, int *fds, size_t capacity, size_t *taken) {
  int came[UNIX_ROOM];
  size_t count = 0;
  bool fits = !(message->msg_flags & MSG_CTRUNC);
  for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
    if (h->cmsg_level != SOL_SOCKET || (h->cmsg_type != SCM_RIGHTS && h->cmsg_type != UNIX_SCM_PIDFD)) continue;
    size_t here = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
      if (h->cmsg_type == SCM_RIGHTS && count < UNIX_ROOM) {
        came[count++] = fd;
      } else {
        close(fd);
        fits &= h->cmsg_type != SCM_RIGHTS;
      }
    }
  }
  if (count > capacity || !fits) {
    for (size_t i = 0; i < count; i++) close(came[i]);
    return false;
  }
  memcpy(fds, came, count * sizeof(int));
  *taken = count;
  return true;
}

#endif
