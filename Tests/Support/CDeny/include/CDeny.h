// Refuses system calls to the calling process from now on, as containers and other kernels do.
#ifndef CDENY_H
#define CDENY_H

// What Docker's default profile refuses of memory's placement: mbind, get_mempolicy, set_mempolicy, move_pages. Returns
// 0 or an errno.
int cdeny_memory_policy(void);

// sched_getaffinity as on a kernel whose own mask has so many bytes: a smaller one is EINVAL. Returns 0 or an errno.
int cdeny_small_masks(unsigned bytes);

#endif
