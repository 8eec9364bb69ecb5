// What the two kinds of Unix socket share: an address made of a path, and descriptors beside a message.
#ifndef CRING_UNIX_INTERNAL_H
#define CRING_UNIX_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// More than either kind allows a message would be cut off by the kernel; up to this many are seen, and closed when too many.
enum { UNIX_ROOM = 16 };

union unix_control {
  struct cmsghdr header;
  char room[CMSG_SPACE(UNIX_ROOM * sizeof(int))];
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

// False when more came than `capacity`: then all that arrived are closed.
static inline bool unix_take(struct msghdr *message, int *fds, size_t capacity, size_t *taken) {
  int came[UNIX_ROOM];
  size_t count = 0;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here && count < UNIX_ROOM; i++)
      memcpy(&came[count++], CMSG_DATA(h) + i * sizeof(int), sizeof(int));
  }
  if (count > capacity || (message->msg_flags & MSG_CTRUNC)) {
    for (size_t i = 0; i < count; i++) close(came[i]);
    return false;
  }
  memcpy(fds, came, count * sizeof(int));
  *taken = count;
  return true;
}

#endif
