// What the loads of a measured guest share: marks for the plugin that counts, a watcher of a number in a file, and the
// line in which a pass says what it took.
#ifndef LOAD_H
#define LOAD_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// Marks for count.c, which counts what the guest executes between them.
#if defined(__x86_64__)
#define MARK(n) __asm__ volatile("mov $0x5a5a5a0" #n ", %%eax" ::: "eax", "memory")
#elif defined(__aarch64__)
#define MARK(n) __asm__ volatile("hint #112 + " #n ::: "memory")
#else
#define MARK(n)
#endif

static void die(const char *what) {
  printf("load: failed: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// The file that is watched during a pass, and the highest number seen in it.
struct watcher {
  const char *path;  // NULL: none
  atomic_bool stop;
  uint64_t peak;
  pthread_t thread;
};

// Opened anew each time: a file of debugfs cannot be read twice from its start.
static uint64_t number_in(const char *path) {
  char text[32];
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (n < 0) die(path);
  close(fd);
  text[n] = 0;
  return strtoull(text, NULL, 10);
}

static void *watch(void *argument) {
  const struct timespec pause = {.tv_nsec = 200000};
  struct watcher *w = argument;
  while (!atomic_load(&w->stop)) {
    uint64_t value = number_in(w->path);
    if (value > w->peak) w->peak = value;
    nanosleep(&pause, NULL);
  }
  return NULL;
}

static void begin_watching(struct watcher *w) {
  w->peak = 0;
  atomic_store(&w->stop, false);
  if (w->path && pthread_create(&w->thread, NULL, watch, w)) die("a thread");
}

static void end_watching(struct watcher *w) {
  atomic_store(&w->stop, true);
  if (w->path) pthread_join(w->thread, NULL);
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void print_pass(const char *op, size_t all, size_t bytes, uint64_t took, uint64_t *latency, uint64_t peak) {
  qsort(latency, all, sizeof *latency, ascending);
#define AT(per_mille) ((unsigned long long)latency[(all - 1) * (per_mille) / 1000])
  printf("load: op=%s requests=%zu bytes=%zu ns=%llu p50=%llu p90=%llu p99=%llu p999=%llu max=%llu peak=%llu\n", op,
         all, bytes, (unsigned long long)took, AT(500), AT(900), AT(990), AT(999), AT(1000), (unsigned long long)peak);
}

#endif
