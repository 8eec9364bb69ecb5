#define _GNU_SOURCE
#include "cring/os/event.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

int cring_timer_create(int *fd) {
  int made = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (made < 0) return errno;
  *fd = made;
  return 0;
}

static struct timespec span(uint64_t nanoseconds) {
  return (struct timespec){.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)};
}

int cring_timer_set(int fd, uint64_t first, uint64_t interval) {
  struct itimerspec when = {.it_value = span(first), .it_interval = span(interval)};
  return timerfd_settime(fd, 0, &when, NULL) == 0 ? 0 : errno;
}

uint64_t cring_timer_take(int fd) {
  uint64_t count;
  return read(fd, &count, sizeof count) == (ssize_t)sizeof count ? count : 0;
}

int cring_signals_watch(const int *signals, size_t count, int *fd) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < count; i++) {
    if (sigaddset(&set, signals[i]) != 0) return errno;
  }
  int made = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (made < 0) return errno;
  int e = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (e) {
    close(made);
    return e;
  }
  *fd = made;
  return 0;
}

int cring_signals_take(int fd) {
  struct signalfd_siginfo found;
  return read(fd, &found, sizeof found) == (ssize_t)sizeof found ? (int)found.ssi_signo : 0;
}
