#define _GNU_SOURCE
#include "cring/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef CRING_NUMA
#include <numa.h>
#include <numaif.h>
#endif

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static const size_t small_page = 4096, huge_page = 2u << 20, populated_at_a_time = 64u << 20;

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// The pages that a file is mapped in: huge ones are its block size.
static size_t page_of(const struct stat *s) {
  bool is_huge = s->st_blksize > (blksize_t)small_page && s->st_blksize % (blksize_t)huge_page == 0;
  return is_huge ? (size_t)s->st_blksize : small_page;
}

int cring_allocate_aligned(size_t bytes, size_t alignment, void **out) {
  if (alignment < 16 || (alignment & (alignment - 1)) != 0) return EINVAL;
  if (bytes > SIZE_MAX - alignment) return ENOMEM;
  size_t rounded = bytes == 0 ? alignment : round_up(bytes, alignment);
  void *p = NULL;
  int e = posix_memalign(&p, alignment, rounded);
  if (e) return e;
  memset(p, 0, rounded);
  *out = p;
  return 0;
}

void cring_free_aligned(void *block) { free(block); }

static int bind_region(void *base, size_t bytes, int node) {
  if (node < 0) return 0;
#ifdef CRING_NUMA
  if (numa_available() >= 0) {
    if (node > numa_max_node() || !numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node)) return EINVAL;
    struct bitmask *mask = numa_allocate_nodemask();
    if (!mask) return ENOMEM;
    numa_bitmask_setbit(mask, (unsigned)node);
    long r = mbind(base, bytes, MPOL_BIND, mask->maskp, mask->size + 1, MPOL_MF_STRICT | MPOL_MF_MOVE);
    int e = r == 0 ? 0 : errno;
    numa_free_nodemask(mask);
    return e;
  }
  // Not a kernel without NUMA but one that does not let this process ask: what is bound would be a guess.
  unsigned long local = 1;
  if (mbind(base, bytes, MPOL_BIND, &local, sizeof local * 8, 0) != 0 && errno != ENOSYS) return errno;
#endif
  (void)base, (void)bytes;
  return node == 0 ? 0 : EINVAL;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static bool (*populate_is_over)(void);

void cring_populate_until(bool (*is_over)(void)) { __atomic_store_n(&populate_is_over, is_over, __ATOMIC_RELAXED); }

static int populate_part(void *base, size_t bytes, size_t page) {
  if (madvise(base, bytes, MADV_POPULATE_WRITE) == 0) return 0;
  // EFAULT stands for the SIGBUS that a store would have been.
  if (errno != EINVAL && errno != ENOSYS) return errno == EFAULT ? ENOMEM : errno;
  // Before Linux 5.14 a store is the only way, and of a reserved page that cannot be had it is a SIGBUS.
  if (page != small_page) return EOPNOTSUPP;
  for (size_t i = 0; i < bytes; i += page) ((volatile char *)base)[i] = 0;
  return 0;
}

int cring_region_populate(void *base, size_t bytes, size_t page) {
  bool (*is_over)(void) = __atomic_load_n(&populate_is_over, __ATOMIC_RELAXED);
  for (size_t at = 0; at < bytes;) {
    // A signal does not interrupt the kernel in this.
    if (is_over && is_over()) return 0;
    size_t part = bytes - at < populated_at_a_time ? bytes - at : populated_at_a_time;
    int e = populate_part((char *)base + at, part, page);
    if (e) return e;
    at += part;
  }
  return 0;
}

// Has a mapping watched that the holder of another descriptor can take pages away from.
static int watch_region(struct cring_region *region) {
  region->loss = cring_loss_watch((char *)region->base - region->lead, region->mapped ? region->mapped : region->bytes);
  return region->loss ? 0 : ENOMEM;
}

static int map_once(size_t bytes, enum cring_page_kind kind, int shared, int node, const char *name,
                    struct cring_region *out) {
  size_t page = kind == CRING_PAGES_4K ? small_page : huge_page;
  if (bytes > SIZE_MAX - page) return ENOMEM;
  size_t size = round_up(bytes, page);
  int hugetlb = kind == CRING_PAGES_2M_HUGETLB;
  int fd = -1;
  if (shared) {
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (hugetlb ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
    fd = memfd_create(name, flags);
    if (fd < 0) return errno;
    // The size is sealed: a peer that shrank the file would make every later access a SIGBUS.
    if (ftruncate(fd, (off_t)size) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
      int e = errno;
      close(fd);
      return e;
    }
  }
  // Transparent 2 MiB pages need an aligned start, which mmap does not promise: reserve more and trim.
  size_t reserve = kind == CRING_PAGES_2M_TRANSPARENT ? size + huge_page : size;
  int flags = shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  char *base;
  if (kind == CRING_PAGES_2M_TRANSPARENT) {
    char *hold = mmap(NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (hold == MAP_FAILED) {
      int e = errno;
      if (fd >= 0) close(fd);
      return e;
    }
    char *aligned = (char *)round_up((size_t)hold, huge_page);
    base = mmap(aligned, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
    int e = base == MAP_FAILED ? errno : 0;
    if (e) {
      munmap(hold, reserve);
    } else {
      if (aligned != hold) munmap(hold, (size_t)(aligned - hold));
      size_t tail = reserve - (size_t)(aligned - hold) - size;
      if (tail) munmap(aligned + size, tail);
    }
    if (!e && madvise(base, size, MADV_HUGEPAGE) != 0) {
      e = errno;
      munmap(base, size);
    }
    if (e) {
      if (fd >= 0) close(fd);
      return e;
    }
  } else {
    base =
        mmap(NULL, size, PROT_READ | PROT_WRITE, flags | (hugetlb && !shared ? MAP_HUGETLB | MAP_HUGE_2MB : 0), fd, 0);
    if (base == MAP_FAILED) {
      int e = errno;
      if (fd >= 0) close(fd);
      return e;
    }
  }
  *out = (struct cring_region){.base = base, .bytes = size, .fd = fd, .pages = kind};
  int e = bind_region(base, size, node);
  if (!e) e = cring_region_populate(base, size, hugetlb ? huge_page : small_page);
  if (!e && shared) e = watch_region(out);
  if (e) cring_region_unmap(out);
  return e;
}

int cring_region_map(size_t bytes, enum cring_page_want want, int shared, int node, const char *name,
                     struct cring_region *out) {
  memset(out, 0, sizeof *out);
  out->fd = -1;
  if (bytes == 0) return EINVAL;
  if (want == CRING_WANT_2M) {
    if (map_once(bytes, CRING_PAGES_2M_HUGETLB, shared, node, name, out) == 0) return 0;
    if (map_once(bytes, CRING_PAGES_2M_TRANSPARENT, shared, node, name, out) == 0) {
      size_t huge = 0;
      // The kernel may accept the advice and grant nothing (shmem_enabled=never): report what is really there.
      if (cring_region_huge_bytes(out, &huge) != 0 || huge == 0) out->pages = CRING_PAGES_4K;
      return 0;
    }
  }
  return map_once(bytes, CRING_PAGES_4K, shared, node, name, out);
}

int cring_region_map_published(size_t bytes, const char *name, struct cring_region *out) {
  memset(out, 0, sizeof *out);
  out->fd = -1;
  if (bytes == 0) return EINVAL;
  if (bytes > SIZE_MAX - small_page) return ENOMEM;
  size_t size = round_up(bytes, small_page);
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return errno;
  void *base = MAP_FAILED;
  // The seal against writing spares mappings that are there already: this one, and no other.
  if (ftruncate(fd, (off_t)size) != 0 ||
      (base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED ||
      (errno = cring_region_populate(base, size, small_page)) != 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0) {
    int e = errno;
    if (base != MAP_FAILED) munmap(base, size);
    close(fd);
    return e;
  }
  *out = (struct cring_region){.base = base, .bytes = size, .fd = fd, .pages = CRING_PAGES_4K};
  return 0;
}

// EPERM is what a file says that is sealed against writing; here it stands for one that is not sealed against
// shrinking.
static int mapping_error(void) { return errno == EPERM ? EACCES : errno; }

// The descriptor stays the caller's where this fails.
static int watch_attached(struct cring_region *region) {
  int e = watch_region(region);
  if (e) {
    region->fd = -1;
    cring_region_unmap(region);
  }
  return e;
}

int cring_region_map_sparse(size_t bytes, const char *name, struct cring_region *out) {
  memset(out, 0, sizeof *out);
  out->fd = -1;
  if (bytes == 0 || bytes > SIZE_MAX - small_page) return EINVAL;
  size_t size = round_up(bytes, small_page);
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return errno;
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  int e = ftruncate(fd, (off_t)size) != 0 || fcntl(fd, F_ADD_SEALS, seals) != 0 ? errno : 0;
  if (!e) e = cring_region_attach(fd, size, 1, out);
  if (e) close(fd);
  return e;
}

int cring_region_attach(int fd, size_t bytes, int writable, struct cring_region *out) {
  memset(out, 0, sizeof *out);
  out->fd = -1;
  struct stat s;
  if (bytes == 0) return EINVAL;
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 && errno == EBADF) return EBADF;
  // Without the seal the other side could truncate the file under us and turn our next access into a SIGBUS. Asked
  // first: what has seals is memory, and no file system of another process has to say how long it is.
  if (seals < 0 || !(seals & F_SEAL_SHRINK)) return EPERM;
  if (fstat(fd, &s) != 0) return errno;
  if (s.st_size < 0 || (uint64_t)s.st_size < bytes) return EINVAL;
  // In whole pages: a part of a huge one is mapped as all of it, but cannot be unmapped, or mapped over.
  size_t page = page_of(&s);
  if (bytes > SIZE_MAX - page) return EINVAL;
  size_t mapped = round_up(bytes, page);
  void *base = mmap(NULL, mapped, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return mapping_error();
  *out = (struct cring_region){.base = base, .bytes = bytes, .fd = fd, .pages = CRING_PAGES_4K, .mapped = mapped};
  return watch_attached(out);
}

int cring_region_map_file(int fd, uint64_t offset, size_t bytes, int must_be_sealed, struct cring_region *out) {
  memset(out, 0, sizeof *out);
  out->fd = -1;
  struct stat s;
  if (bytes == 0) return EINVAL;
  int seals = fcntl(fd, F_GET_SEALS);
  if (must_be_sealed && (seals < 0 || !(seals & F_SEAL_SHRINK))) return EPERM;
  if (fstat(fd, &s) != 0) return errno;
  if (s.st_size < 0 || offset > (uint64_t)s.st_size || bytes > (uint64_t)s.st_size - offset) return EINVAL;
  size_t page = page_of(&s);
  size_t lead = (size_t)(offset % page);
  if (bytes > SIZE_MAX - lead - page) return EINVAL;
  size_t mapped = round_up(lead + bytes, page);
  // Without a reservation the first access to a huge page may find that there is none.
  int flags = MAP_SHARED | (must_be_sealed ? 0 : MAP_NORESERVE);
  char *at = mmap(NULL, mapped, PROT_READ | PROT_WRITE, flags, fd, (off_t)(offset - lead));
  if (at == MAP_FAILED) return mapping_error();
  *out = (struct cring_region){
      .base = at + lead, .bytes = bytes, .fd = fd, .pages = CRING_PAGES_4K, .lead = lead, .mapped = mapped};
  return watch_attached(out);
}

void cring_region_unmap(struct cring_region *region) {
  cring_loss_unwatch(region->loss);
  if (region->base) munmap((char *)region->base - region->lead, region->mapped ? region->mapped : region->bytes);
  if (region->base && region->fd >= 0) close(region->fd);
  memset(region, 0, sizeof *region);
  region->fd = -1;
}

int cring_region_huge_bytes(const struct cring_region *region, size_t *out) {
  FILE *f = fopen("/proc/self/smaps", "re");
  if (!f) return errno;
  char line[512];
  uintptr_t from = (uintptr_t)region->base, to = from + region->bytes;
  int inside = 0;
  size_t sum = 0;
  while (fgets(line, sizeof line, f)) {
    unsigned long a, b;
    unsigned long kib;
    if (sscanf(line, "%lx-%lx ", &a, &b) == 2)
      inside = a < to && b > from;
    else if (inside &&
             (sscanf(line, "AnonHugePages: %lu kB", &kib) == 1 || sscanf(line, "ShmemPmdMapped: %lu kB", &kib) == 1 ||
              sscanf(line, "Shared_Hugetlb: %lu kB", &kib) == 1 || sscanf(line, "Private_Hugetlb: %lu kB", &kib) == 1))
      sum += (size_t)kib * 1024;
  }
  fclose(f);
  *out = sum < region->bytes ? sum : region->bytes;
  return 0;
}

int cring_pages_nodes(const void *base, size_t pages, int *nodes) {
#ifdef CRING_NUMA
  enum { chunk = 512 };
  void *address[chunk];
  size_t done = 0;
  while (done < pages) {
    size_t n = pages - done < chunk ? pages - done : chunk;
    for (size_t i = 0; i < n; i++) address[i] = (char *)base + (done + i) * small_page;
    if (move_pages(0, n, address, NULL, nodes + done, 0) != 0) break;
    done += n;
  }
  if (done == pages) return 0;
  if (errno != ENOSYS) return errno;
#endif
  (void)base;
  for (size_t i = 0; i < pages; i++) nodes[i] = 0;
  return 0;
}
