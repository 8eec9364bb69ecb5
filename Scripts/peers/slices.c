#define _GNU_SOURCE
#include "slices.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cringbench/interrupt.h"
#include "cringbench/probe.h"

enum { exchanges = 512, timeout_ns = 1000000000 };

// What the driver's thread asks of the device's: a probe, a number of buffers, or to sleep until the pipe has a byte.
static struct {
  uint64_t turn, count;
  const struct peer *peer;
  bool sleeps;
  long switches;
} order __attribute__((aligned(128)));
static uint64_t answered __attribute__((aligned(128)));
static uint64_t line __attribute__((aligned(128)));
static int wake[2];

bool crb_interrupted(void) { return false; }

static uint64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0) {
    fprintf(stderr, "peers: this process cannot run on CPU %d\n", cpu);
    exit(3);
  }
}

static long switches(void) {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

static void *device(void *cpu) {
  pin(*(int *)cpu);
  for (uint64_t turn = 1;; turn++) {
    while (__atomic_load_n(&order.turn, __ATOMIC_ACQUIRE) != turn) {
    }
    if (order.sleeps) {
      char byte;
      // Answered first: the driver's thread then reads its input, and wakes this one by the pipe.
      __atomic_store_n(&answered, turn, __ATOMIC_RELEASE);
      if (read(wake[0], &byte, 1) != 1) return NULL;
      continue;
    }
    if (order.peer)
      order.peer->serve(order.peer->state, order.count);
    else
      crb_probe_pong(&line, exchanges, timeout_ns);
    order.switches = switches();
    __atomic_store_n(&answered, turn, __ATOMIC_RELEASE);
  }
}

static void ask(const struct peer *peer, uint64_t count, bool sleeps) {
  order.peer = peer, order.count = count, order.sleeps = sleeps;
  __atomic_store_n(&order.turn, order.turn + 1, __ATOMIC_RELEASE);
}

static void await(void) {
  while (__atomic_load_n(&answered, __ATOMIC_ACQUIRE) != order.turn) {
  }
}

static double probe(void) {
  ask(NULL, 0, false);
  double round_trip = crb_probe_ping(&line, exchanges, timeout_ns);
  await();
  return round_trip;
}

static uint64_t pass(const struct peer *peer, uint64_t count) {
  ask(peer, count, false);
  uint64_t start = nanoseconds();
  peer->drive(peer->state, count);
  uint64_t took = nanoseconds() - start;
  await();
  return took;
}

static void slice(const struct peer *peer, uint64_t microseconds) {
  double before = probe();
  uint64_t count = peer->warm_up;
  uint64_t took = pass(peer, count);
  long earlier = switches() + order.switches;
  // As many as the slice has room for, by how long the last ones took.
  count = count * microseconds * 1000 / (took ? took : 1);
  if (count < 64) count = 64;
  took = pass(peer, count);
  long switched = switches() + order.switches - earlier;
  double after = probe();
  printf("%s\t%.2f\t%.2f\t%.3f\t%ld\n", peer->name, before, after, (double)took / (double)count, switched);
}

int peers_serve(struct peer *peers, int count, const char *cpus) {
  int driver_cpu, device_cpu;
  if (sscanf(cpus, "%d,%d", &driver_cpu, &device_cpu) != 2 || pipe(wake) != 0) return 2;
  pin(driver_cpu);
  pthread_t thread;
  if (pthread_create(&thread, NULL, device, &device_cpu) != 0) return 3;
  ask(NULL, 0, true);
  await();
  char text[256];
  while (fgets(text, sizeof text, stdin)) {
    if (write(wake[1], "", 1) != 1) return 3;
    unsigned long slices, microseconds;
    char wanted[128] = "";
    if (sscanf(text, "%lu %lu %127[^\n]", &slices, &microseconds, wanted) >= 2) {
      for (unsigned long round = 0; round < slices; round++)
        for (int i = 0; i < count; i++)
          if (strstr(peers[i].name, wanted)) slice(&peers[i], microseconds);
    } else {
      printf("probe\t%.2f\n", probe());
    }
    ask(NULL, 0, true);
    await();
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
