#include "cringbench/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static volatile int flag;

static void on_interrupt(int signal) {
  (void)signal;
  __atomic_store_n(&flag, 1, __ATOMIC_RELAXED);
}

int crb_interrupt_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  // RESETHAND: a run that does not react can still be ended. RESTART: what is being read or written goes on.
  action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
  return sigaction(SIGINT, &action, NULL) == 0 ? 0 : errno;
}

int crb_termination_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = (int)SA_RESETHAND;
  return sigaction(SIGTERM, &action, NULL) == 0 ? 0 : errno;
}

bool crb_interrupted(void) { return __atomic_load_n(&flag, __ATOMIC_RELAXED) != 0; }
