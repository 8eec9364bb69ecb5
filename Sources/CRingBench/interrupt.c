#include "cringbench/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static int first;
static bool ends_at_once;

// The default action would do for the second, but the first process of a container has none.
static void on_signal(int number) {
  int none = 0;
  if (!__atomic_load_n(&ends_at_once, __ATOMIC_RELAXED) &&
      __atomic_compare_exchange_n(&first, &none, number, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    return;
  _exit(128 + number);
}

static void set_all(void (*handler)(int)) {
  struct sigaction action;
  sigset_t all;
  sigemptyset(&all);
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  // What is being read or written goes on.
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    struct sigaction old;
    // nohup: a hang-up that is ignored stays so. A shell's background job ignores Ctrl-C, which kill still means.
    if (signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN) continue;
    sigaction(signals[i], &action, NULL);
    sigaddset(&all, signals[i]);
  }
  // A parent may have started this process on a thread that leaves signals to others.
  sigprocmask(SIG_UNBLOCK, &all, NULL);
}

void crb_interrupt_install(void) {
  // A file that reaches its limit is an error of the write.
  signal(SIGXFSZ, SIG_IGN);
  set_all(on_signal);
}

void crb_interrupt_end_at_once(void) {
  __atomic_store_n(&ends_at_once, true, __ATOMIC_RELAXED);
  int number = crb_interrupt_signal();
  if (number) _exit(128 + number);
}

void crb_interrupt_ignore(void) { set_all(SIG_IGN); }

bool crb_interrupted(void) { return __atomic_load_n(&first, __ATOMIC_RELAXED) != 0; }

int crb_interrupt_signal(void) { return __atomic_load_n(&first, __ATOMIC_RELAXED); }
