// Refuses system calls to the calling process from now on, as containers and other kernels do.
#ifndef CDENY_H
#define CDENY_H

#include <stdint.h>

// What Docker's default profile refuses of memory's placement: mbind, get_mempolicy, set_mempolicy, move_pages. Returns
// 0 or an errno.
int cdeny_memory_policy(void);

// sched_getaffinity as on a kernel whose own mask has so many bytes: a smaller one is EINVAL. Returns 0 or an errno.
int cdeny_small_masks(unsigned bytes);

// A VFIO device and container under one descriptor, as far as a test asks: which eventfds its MSI-X vectors ring, the
// first `vectors` of them (0: switched off), and what was last taken away of what it sees.
enum { CDENY_VFIO_VECTORS = 128 };
struct cdeny_vfio {
  int fd;
  unsigned vectors;
  int eventfds[CDENY_VFIO_VECTORS];
  uint64_t unmapped_from, unmapped_bytes;
};

// Has requests on its descriptor answered as a kernel before Linux 6.4 would, until it is called with NULL.
void cdeny_answer_vfio(struct cdeny_vfio *state);

#endif
