// The round trip of one cache line between two threads: which of the machine's placements they are in right now.
#ifndef CRINGBENCH_PROBE_H
#define CRINGBENCH_PROBE_H

#include <stdint.h>

// `line` is a word alone in two cache lines (the adjacent-line prefetcher fetches pairs), zero before the first
// exchange.

// Back to zero: after an exchange that timed out, while neither side is in one.
void crb_probe_reset(uint64_t *line);

// The asking side: `exchanges` round trips in 16 batches after a few that warm up. Returns the median batch in
// nanoseconds per round trip, or a negative number when the other side did not answer for `timeout_ns`.
// Both sides must be called with the same number of exchanges.
double crb_probe_ping(uint64_t *line, uint64_t exchanges, uint64_t timeout_ns);

// The answering side. Returns 0, or ETIMEDOUT when no question came for `timeout_ns`.
int crb_probe_pong(uint64_t *line, uint64_t exchanges, uint64_t timeout_ns);

#endif
