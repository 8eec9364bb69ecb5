#define _GNU_SOURCE
#include "CVhostUAPI.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int cvhost_file(const char *name, long bytes) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd >= 0 && ftruncate(fd, bytes) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

int cvhost_huge_file(const char *name, long bytes) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
  if (fd >= 0 && (ftruncate(fd, bytes) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)) {
    close(fd);
    return -1;
  }
  return fd;
}

int cvhost_limit_descriptors(int process, int count) {
  struct rlimit limit;
  if (prlimit(process, RLIMIT_NOFILE, NULL, &limit) != 0) return -1;
  limit.rlim_cur = (rlim_t)count;
  return prlimit(process, RLIMIT_NOFILE, &limit, NULL);
}

int cvhost_open_descriptors(int fd) {
  struct stat wanted, s;
  DIR *d = opendir("/proc/self/fd");
  if (!d || fstat(fd, &wanted) != 0) return -1;
  int count = 0;
  for (struct dirent *e; (e = readdir(d));)
    if (fstat(atoi(e->d_name), &s) == 0 && e->d_name[0] != '.' && s.st_dev == wanted.st_dev &&
        s.st_ino == wanted.st_ino)
      count++;
  closedir(d);
  return count;
}

int cvhost_mappings(int fd) {
  struct stat wanted;
  FILE *f = fopen("/proc/self/maps", "re");
  if (!f || fstat(fd, &wanted) != 0) return -1;
  int count = 0;
  char line[4200];
  unsigned long inode;
  unsigned major, minor;
  while (fgets(line, sizeof line, f))
    if (sscanf(line, "%*s %*s %*s %x:%x %lu", &major, &minor, &inode) == 3 && inode == wanted.st_ino &&
        ((unsigned long)major << 8 | minor) == wanted.st_dev)
      count++;
  fclose(f);
  return count;
}

bool cvhost_has_thread_sanitizer(void) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return true;
#endif
#endif
  return false;
}
