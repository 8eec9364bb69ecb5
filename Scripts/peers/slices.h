// Runs two threads on two CPUs, slice by slice, each slice between two probes of a cache line's round trip.
#ifndef PEERS_SLICES_H
#define PEERS_SLICES_H

#include <stdint.h>

// One thing to measure. Both functions pass exactly `count` buffers and return; the driver's when all are back.
struct peer {
  char name[80];
  void (*drive)(void *state, uint64_t count);
  void (*serve)(void *state, uint64_t count);
  void *state;
  // Buffers that go round before a slice is timed.
  uint64_t warm_up;
};

// Serves the orders on standard input: "COUNT MICROSECONDS [TEXT]" measures that many slices of every peer whose name
// holds TEXT, "probe" takes the round trip alone. A slice is a line "name before after ns switches", an order ends with
// an empty line, and the program ends with its input. `cpus` are "DRIVER,DEVICE".
int peers_serve(struct peer *peers, int count, const char *cpus);

#endif
