// The round trip of one cache line between two threads: which of the machine's placements they are in right now.
#ifndef CRINGBENCH_PROBE_H
#define CRINGBENCH_PROBE_H

#include <stdint.h>

// One line, alone in two (the adjacent-line prefetcher fetches pairs). Zero it before the first exchange and after one
// that timed out.
struct crb_probe_line {
  _Alignas(128) uint64_t turn;
  unsigned char padding[120];
};

void crb_probe_reset(struct crb_probe_line *line);

// The asking side: `exchanges` round trips in 16 batches after a few that warm up. Returns the median batch in
// nanoseconds per round trip, or a negative number when the other side did not answer for `timeout_ns`.
// Both sides must be called with the same number of exchanges.
double crb_probe_ping(struct crb_probe_line *line, uint64_t exchanges, uint64_t timeout_ns);

// The answering side. Returns 0, or ETIMEDOUT when nobody asked for `timeout_ns`.
int crb_probe_pong(struct crb_probe_line *line, uint64_t exchanges, uint64_t timeout_ns);

#endif
