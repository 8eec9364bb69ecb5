#define _GNU_SOURCE
#include "cring/loss.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

// One mapping; free while `base` is 0. Entries are never given back, so the handler reads them without a lock.
struct cring_loss {
  _Atomic uintptr_t base;
  _Atomic size_t bytes;
  atomic_bool lost;
  struct cring_loss *next;
};

static struct cring_loss *_Atomic first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_installed;
static struct sigaction previous;

// Replaces the mapping that holds the address. Nothing but atomics and a system call: this runs in a signal handler.
static bool replace(uintptr_t at) {
  for (struct cring_loss *l = atomic_load_explicit(&first, memory_order_acquire); l; l = l->next) {
    uintptr_t base = atomic_load_explicit(&l->base, memory_order_acquire);
    size_t bytes = atomic_load_explicit(&l->bytes, memory_order_acquire);
    // An entry that is used anew meanwhile is not the one of a mapping that is accessed.
    if (base == 0 || at < base || at - base >= bytes || atomic_load(&l->base) != base) continue;
    // Another thread may be at it: the access is tried again until it is done.
    if (atomic_exchange(&l->lost, true)) return true;
    return mmap((void *)base, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                -1, 0) != MAP_FAILED;
  }
  return false;
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
  int saved = errno;
  bool is_done = info->si_code == BUS_ADRERR && replace((uintptr_t)info->si_addr);
  errno = saved;
  if (is_done) return;
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(number, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(number);
  } else if (previous.sa_handler == SIG_DFL || info->si_code > 0) {
    // The kernel does not let a fault be ignored. The access is repeated, or the signal is sent again: both end the
    // process.
    signal(number, SIG_DFL);
    if (info->si_code <= 0) raise(number);
  }
}

static bool install(void) {
  if (is_installed) return true;
  struct sigaction action = {.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK)};
  action.sa_sigaction = on_bus_error;
  sigemptyset(&action.sa_mask);
  is_installed = sigaction(SIGBUS, NULL, &previous) == 0 && sigaction(SIGBUS, &action, NULL) == 0;
  return is_installed;
}

static struct cring_loss *find_free(void) {
  for (struct cring_loss *l = atomic_load(&first); l; l = l->next)
    if (atomic_load(&l->base) == 0) return l;
  struct cring_loss *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  made->next = atomic_load(&first);
  atomic_store_explicit(&first, made, memory_order_release);
  return made;
}

struct cring_loss *cring_loss_watch(void *base, size_t bytes) {
  pthread_mutex_lock(&lock);
  struct cring_loss *watch = install() ? find_free() : NULL;
  if (watch) {
    atomic_store(&watch->lost, false);
    atomic_store(&watch->bytes, bytes);
    atomic_store_explicit(&watch->base, (uintptr_t)base, memory_order_release);
  }
  pthread_mutex_unlock(&lock);
  return watch;
}

void cring_loss_unwatch(struct cring_loss *watch) {
  if (watch) atomic_store(&watch->base, 0);
}

bool cring_loss_happened(const struct cring_loss *watch) {
  return watch && atomic_load_explicit(&watch->lost, memory_order_acquire);
}
