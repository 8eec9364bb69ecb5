// Memory: cache-line-aligned blocks for private state, and page-aligned regions that another process can map.
#ifndef CRING_MEMORY_H
#define CRING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cring/loss.h"

// Two lines: the adjacent-line prefetcher of x86 fetches pairs, so state of two threads is kept this far apart.
#define CRING_ISOLATION_BYTES 128

// Zeroed, aligned to `alignment` (a power of two, at least 16). Returns 0 or an errno.
int cring_allocate_aligned(size_t bytes, size_t alignment, void **out);
void cring_free_aligned(void *block);

enum cring_page_kind {
  CRING_PAGES_4K = 0,
  CRING_PAGES_2M_TRANSPARENT = 1,  // asked of the kernel, which may grant it late or never; see cring_region_huge_bytes
  CRING_PAGES_2M_HUGETLB = 2,
};

struct cring_region {
  void *base;
  size_t bytes;  // as mapped: the request rounded up to the page size
  int fd;        // the memfd behind it, or -1 when it is anonymous
  enum cring_page_kind pages;
  size_t lead;              // bytes of the same mapping in front of `base`
  size_t mapped;            // bytes of the mapping in all, or 0: just `bytes`
  struct cring_loss *loss;  // of memory that another process can take pages away from
};

enum cring_page_want {
  CRING_WANT_4K = 0,
  CRING_WANT_2M = 1,  // hugetlbfs when reserved, else transparent, else 4 KiB: what was got is in `pages`
};

// Decides where pages lie, which the kernel does at their first use: a benchmark must not pay for it later. `page` is
// their size. Returns 0 or errno: ENOMEM where a store would be a SIGBUS, because a reserved page cannot be had on the
// node it is bound to or in the container; EOPNOTSUPP where the kernel (before Linux 5.14) cannot say so of such pages.
int cring_region_populate(void *base, size_t bytes, size_t page);

// Asked while pages are populated, between every 64 MiB: true leaves the rest to their first use. For a program that is
// to end, and has gibibytes to map before it could.
void cring_populate_until(bool (*is_over)(void));

// Maps `bytes` of zeroed memory. `shared` != 0 backs it with a sealed memfd named `name`; otherwise it is anonymous.
// `node` >= 0 binds it before the first touch. Pages are touched, so that placement is decided here. Returns 0 or
// errno.
int cring_region_map(size_t bytes, enum cring_page_want want, int shared, int node, const char *name,
                     struct cring_region *out);

// Maps `bytes` of zeroed memory behind a memfd that no other process can ever write, not
// even one that is passed its descriptor.
// EINVAL where the kernel has no such seal (before Linux 5.1).
int cring_region_map_published(size_t bytes, const char *name, struct cring_region *out);

// Maps a memfd of its own whose pages come when they are touched, on the node of the CPU that touches them.
int cring_region_map_sparse(size_t bytes, const char *name, struct cring_region *out);

// Maps a memfd that another process passed over. The size is checked against the file before a byte is mapped. EPERM:
// it is not sealed against shrinking.
int cring_region_attach(int fd, size_t bytes, int writable, struct cring_region *out);

// Maps `bytes` of a file from `offset` on, which need not lie on a page boundary of the file's own page size. Takes the
// descriptor over when it succeeds. EINVAL: the file is shorter; EACCES: it may not be written. With `must_be_sealed`
// EPERM: it is not sealed against shrinking; ENOMEM: it is of huge pages that the machine does not have.
int cring_region_map_file(int fd, uint64_t offset, size_t bytes, int must_be_sealed, struct cring_region *out);

// Unmaps and, when there is one, closes the descriptor. Safe to call on a zeroed region.
void cring_region_unmap(struct cring_region *region);

// Bytes of the region that 2 MiB pages hold right now, as /proc/self/smaps counts them.
int cring_region_huge_bytes(const struct cring_region *region, size_t *out);

// The node each page lies on, one int per page of 4 KiB from `base`; a negative value is -errno for that page.
// Without NUMA support in kernel or build every page reports node 0. EPERM: a container does not let this process ask.
int cring_pages_nodes(const void *base, size_t pages, int *nodes);

#endif
