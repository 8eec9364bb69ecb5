#define _GNU_SOURCE
#include "cring/os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int64_t cring_file_read(int fd, const struct iovec *vectors, int count, uint64_t offset) {
  ssize_t n;
  do {
    n = preadv(fd, vectors, count, (off_t)offset);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

int64_t cring_file_write(int fd, const struct iovec *vectors, int count, uint64_t offset) {
  // Up to the limit the kernel writes a part without a signal.
  struct rlimit limit;
  struct stat status;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && offset >= limit.rlim_cur && fstat(fd, &status) == 0 &&
      S_ISREG(status.st_mode)) {
    return -EFBIG;
  }
  ssize_t n;
  do {
    n = pwritev(fd, vectors, count, (off_t)offset);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

int cring_file_sync(int fd) {
  int r;
  do {
    r = fdatasync(fd);
  } while (r < 0 && errno == EINTR);
  return r < 0 ? errno : 0;
}

int cring_file_clear(int fd, uint64_t offset, uint64_t bytes, int unmap) {
  int mode = FALLOC_FL_KEEP_SIZE | (unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
  int r;
  do {
    r = fallocate(fd, mode, (off_t)offset, (off_t)bytes);
  } while (r < 0 && errno == EINTR);
  return r < 0 ? errno : 0;
}

// QEMU's bytes: one for each right that an opener uses, and one for each that it does not share.
enum { used_byte = 100, unshared_byte = 200, right_read = 0, right_write = 1, right_resize = 3 };

static int lock_byte(int fd, int command, int type, off_t byte) {
  struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
  int r;
  do {
    r = fcntl(fd, command, &lock);
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  return command == F_OFD_GETLK && lock.l_type != F_UNLCK ? EAGAIN : 0;
}

void cring_file_unlock(int fd) {
  struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
  fcntl(fd, F_OFD_SETLK, &all);
}

int cring_file_lock_image(int fd, int writable) {
  // Own bytes first, then a look at the others' (two openers at once may both give up).
  const int held[] = {used_byte + right_read, unshared_byte + right_write, unshared_byte + right_resize,
                      used_byte + right_write};
  const int looked[] = {unshared_byte + right_read, used_byte + right_write, used_byte + right_resize,
                        unshared_byte + right_write};
  int count = writable ? 4 : 3;
  for (int i = 0; i < count; i++) {
    int e = lock_byte(fd, F_OFD_SETLK, F_RDLCK, held[i]);
    // NFS without a lock server, or a kernel without these locks.
    if (e == ENOLCK || e == EINVAL || e == EOPNOTSUPP || e == ENOSYS) return 0;
    if (e != 0) return e == EACCES ? EAGAIN : e;
  }
  for (int i = 0; i < count; i++) {
    int e = lock_byte(fd, F_OFD_GETLK, F_WRLCK, looked[i]);
    if (e != 0) return e;
  }
  return 0;
}
