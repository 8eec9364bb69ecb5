#define _GNU_SOURCE

#include "cring/doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

int cring_doorbell_create(int *out) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return errno;
  *out = fd;
  return 0;
}

void cring_doorbell_attach(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && !(flags & O_NONBLOCK)) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void cring_doorbell_close(int fd) { close(fd); }

void cring_doorbell_ring(int fd) {
  uint64_t one = 1;
  ssize_t r;
  do {
    r = write(fd, &one, sizeof one);
  } while (r < 0 && errno == EINTR);
}

// A context for asynchronous I/O, for the sake of what the kernel does when a request completes: it adds one to an
// eventfd without waiting, whatever a peer makes of the flag and the counter. One for the process, since each takes of
// a number that is the system's; never given back.
static struct {
  pthread_mutex_t lock;
  aio_context_t context;
  int null;
  bool is_refused;
} aio = {.lock = PTHREAD_MUTEX_INITIALIZER, .null = -1};

enum { CONTEXT_ROOM = 64 };

// Takes completions, which otherwise fill the context; false where there is no such context (any more). A signal that
// is pending ends a call that finds none.
static bool reap(aio_context_t context) {
  struct io_event events[CONTEXT_ROOM];
  struct timespec none = {0, 0};
  return syscall(SYS_io_getevents, context, 0L, (long)CONTEXT_ROOM, events, &none) >= 0 || errno != EINVAL;
}

// A context that replaces one which is not this process's (0: none yet); 0 where there is none to be had now. Not
// waited for: in a process that was forked meanwhile the lock is held for ever.
static aio_context_t make_context(aio_context_t unfit) {
  if (pthread_mutex_trylock(&aio.lock) != 0) return 0;
  aio_context_t context = __atomic_load_n(&aio.context, __ATOMIC_RELAXED);
  if (context == unfit) {
    context = 0;
    if (aio.null < 0) __atomic_store_n(&aio.null, open("/dev/null", O_RDONLY | O_CLOEXEC), __ATOMIC_RELAXED);
    if (aio.null < 0 || syscall(SYS_io_setup, CONTEXT_ROOM, &context) != 0) {
      // A kernel without, or a container that forbids it, is not asked for each ring.
      if (aio.null >= 0 && (errno == ENOSYS || errno == EPERM))
        __atomic_store_n(&aio.is_refused, true, __ATOMIC_RELAXED);
      context = 0;
    }
    __atomic_store_n(&aio.context, context, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&aio.lock);
  return context;
}

// Adds one by way of a request that is complete at once; false where the kernel has no such requests.
static bool ring_by_request(int fd) {
  if (__atomic_load_n(&aio.is_refused, __ATOMIC_RELAXED)) return false;
  aio_context_t context = __atomic_load_n(&aio.context, __ATOMIC_ACQUIRE);
  for (int tries = 0; tries < 4; tries++) {
    if (!context && !(context = make_context(0))) return false;
    struct iocb read = {.aio_lio_opcode = IOCB_CMD_PREAD,
                        .aio_fildes = (uint32_t)__atomic_load_n(&aio.null, __ATOMIC_RELAXED),
                        .aio_flags = IOCB_FLAG_RESFD,
                        .aio_resfd = (uint32_t)fd};
    struct iocb *requests[] = {&read};
    if (syscall(SYS_io_submit, context, 1L, requests) == 1) return true;
    if (errno != EAGAIN && errno != EINVAL) return false;
    bool is_full = errno == EAGAIN;
    if (reap(context)) {
      // EINVAL with a sound context: what is to be rung is no eventfd.
      if (!is_full) return false;
    } else {
      // In a process that was forked the context is its parent's.
      context = make_context(context);
    }
  }
  return false;
}

void cring_doorbell_ring_shared(int fd) {
  if (ring_by_request(fd)) return;
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  uint64_t one = 1;
  // Not again after a signal: by then there may be no room.
  if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(fd, &one, sizeof one) < 0) return;
}

bool cring_doorbell_take(int fd) {
  uint64_t count;
  struct iovec part = {.iov_base = &count, .iov_len = sizeof count};
  ssize_t r;
  do {
    r = preadv2(fd, &part, 1, -1, RWF_NOWAIT);
  } while (r < 0 && errno == EINTR);
  if (r < 0 && errno != EAGAIN) {
    // A kernel before 5.8, or what stands in for one, knows that of files alone.
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 0) != 1 || !(p.revents & POLLIN)) return false;
    do {
      r = read(fd, &count, sizeof count);
    } while (r < 0 && errno == EINTR);
  }
  return r == (ssize_t)sizeof count;
}

bool cring_doorbell_wait(int fd, int milliseconds) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  if (poll(&p, 1, milliseconds) != 1) return false;
  return cring_doorbell_take(fd);
}
