#define _GNU_SOURCE
#include "cring/os/random.h"

#include <errno.h>
#include <sys/random.h>

int cring_random_fill(void *to, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t n = getrandom((char *)to + done, bytes - done, 0);
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) done += (size_t)n;
  }
  return 0;
}
