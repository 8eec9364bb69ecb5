#define _GNU_SOURCE
#include "cring/os/window.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/types.h>

static const int nothing = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

int cring_window_reserve(size_t bytes, void **out) {
  void *base = mmap(NULL, bytes, PROT_NONE, nothing, -1, 0);
  if (base == MAP_FAILED) return errno;
  *out = base;
  return 0;
}

void cring_window_release(void *base, size_t bytes) { munmap(base, bytes); }

int cring_window_show(void *at, size_t bytes, int fd, uint64_t offset, int writable) {
  // Populated: an IOMMU's entries are there when the map returns, not at the device's first access.
  void *p = mmap(at, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
                 (off_t)offset);
  return p == MAP_FAILED ? errno : 0;
}

int cring_window_hide(void *at, size_t bytes) {
  // Replaced rather than unmapped: the address stays reserved, so that nothing else of the process can come to lie
  // there.
  void *p = mmap(at, bytes, PROT_NONE, nothing | MAP_FIXED, -1, 0);
  return p == MAP_FAILED ? errno : 0;
}

int cring_window_blank(void *at, size_t bytes) {
  void *p = mmap(at, bytes, PROT_READ, nothing | MAP_FIXED, -1, 0);
  return p == MAP_FAILED ? errno : 0;
}
