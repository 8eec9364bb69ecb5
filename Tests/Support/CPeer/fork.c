#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "CPeer.h"

int32_t cpeer_fork_device(const struct cpeer_run *run, int is_packed) {
  pid_t child = fork();
  if (child < 0) return -errno;
  if (child > 0) return child;
  // Whatever the test's process does on a crash is not this one's to do, and it does not outlive its parent.
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  signal(SIGSEGV, SIG_DFL);
  signal(SIGBUS, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct cpeer_report report = is_packed ? cpeer_packed_device(run) : cpeer_split_device(run);
  _exit(report.failure);
}

int32_t cpeer_fork_call(void (*body)(void *), void *argument) {
  pid_t child = fork();
  if (child == 0) {
    body(argument);
    _exit(0);
  }
  return child;
}

bool cpeer_has_sanitizer(void) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
  return true;
#endif
#endif
  return false;
}
