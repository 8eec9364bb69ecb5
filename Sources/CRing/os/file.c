#define _GNU_SOURCE
#include "cring/os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>

int cring_file_clear(int fd, uint64_t offset, uint64_t bytes, int unmap) {
  int mode = FALLOC_FL_KEEP_SIZE | (unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
  return fallocate(fd, mode, (off_t)offset, (off_t)bytes) == 0 ? 0 : errno;
}
