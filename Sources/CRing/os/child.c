#define _GNU_SOURCE
#include "cring/os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int cring_child_start(const char *path, const char *arguments, size_t argument_count, const int *fds, size_t count,
                      int32_t *pid) {
  enum { first = 3, most = 8, most_arguments = 31 };
  int high[most];
  char *argv[most_arguments + 1] = {0};
  if (count > most || argument_count > most_arguments) return EINVAL;
  for (size_t i = 0; i < argument_count; i++) {
    // posix_spawn takes the strings as not constant and leaves them as they are.
    argv[i] = (char *)(uintptr_t)arguments;
    arguments += strlen(arguments) + 1;
  }
  posix_spawn_file_actions_t actions;
  int e = posix_spawn_file_actions_init(&actions);
  if (e) return e;
  size_t made = 0;
  // Out of the way first: a descriptor may stand where another has to go.
  for (; made < count && e == 0; made++) {
    high[made] = fcntl(fds[made], F_DUPFD_CLOEXEC, first + most);
    if (high[made] < 0) {
      e = errno;
      break;
    }
    e = posix_spawn_file_actions_adddup2(&actions, high[made], first + (int)made);
  }
  pid_t child = 0;
  if (e == 0) e = posix_spawn_file_actions_addclosefrom_np(&actions, first + (int)count);
  if (e == 0) e = posix_spawn(&child, path, &actions, NULL, argv, environ);
  for (size_t i = 0; i < made; i++) close(high[i]);
  posix_spawn_file_actions_destroy(&actions);
  if (e == 0) *pid = child;
  return e;
}

int cring_child_look(int32_t pid, int wait, enum cring_child_state *state, int *value) {
  int status = 0;
  pid_t r;
  do {
    r = waitpid(pid, &status, wait ? 0 : WNOHANG);
  } while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  *value = 0;
  if (r == 0) {
    *state = CRING_CHILD_RUNS;
  } else if (WIFSIGNALED(status)) {
    *state = CRING_CHILD_KILLED;
    *value = WTERMSIG(status);
  } else {
    *state = CRING_CHILD_EXITED;
    *value = WEXITSTATUS(status);
  }
  return 0;
}

void cring_child_kill(int32_t pid) { kill(pid, SIGKILL); }

int cring_child_follow_parent(int32_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
  // The parent may have gone between the start and the call above.
  if (getppid() != parent) raise(SIGKILL);
  return 0;
}

int cring_thread_yields(void) {
  struct sched_param none = {.sched_priority = 0};
  return sched_setscheduler(0, SCHED_BATCH, &none) == 0 ? 0 : errno;
}
