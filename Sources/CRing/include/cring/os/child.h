// Another process: started with sockets at agreed descriptors, and looked after.
#ifndef CRING_CHILD_H
#define CRING_CHILD_H

#include <stddef.h>
#include <stdint.h>

// Starts `path` with `argument_count` arguments, one behind the other in `arguments` with a NUL after each, the
// program's name among them. `fds` become its descriptors 3, 4, ...; of the others it has standard input, output and
// error alone. At most 31 arguments and 8 descriptors. Returns 0 or errno.
int cring_child_start(const char *path, const char *arguments, size_t argument_count, const int *fds, size_t count,
                      int32_t *pid);

// What a child's end looks like.
enum cring_child_state {
  CRING_CHILD_RUNS = 0,
  CRING_CHILD_EXITED = 1,  // `*value` is its exit code
  CRING_CHILD_KILLED = 2,  // `*value` is the signal
};

// Looks, or with `wait` waits until it has ended. After an end was told, the pid means nothing any more.
int cring_child_look(int32_t pid, int wait, enum cring_child_state *state, int *value);

void cring_child_kill(int32_t pid);

// The calling process is killed when the thread that started it ends; at once when that has happened already.
int cring_child_follow_parent(int32_t parent);

// The calling thread never takes the CPU from another that is running: the waiting thread has gone to sleep by then.
int cring_thread_yields(void);

#endif
