// One flavour of Linux's tools/virtio/ringtest (FLAVOUR is its file), between our two threads in place of its main.c.
//
// Batch 1 has the loop of its run_guest(): one added, one taken back, in turns. Otherwise all that is there is taken
// back, then the ring is topped up. It has no verb for a batch: each buffer is published by itself.
#include "main.h"

#include <stdio.h>
#include <stdlib.h>

#include FLAVOUR

#include "slices.h"

int param = 0;
bool do_exit = false, do_sleep = false, do_relax = false;
unsigned ring_size = 256;
void kick(void) { abort(); }
void wait_for_kick(void) { abort(); }
void call(void) { abort(); }
void wait_for_call(void) { abort(); }

struct loop {
  unsigned batch, depth;
};

static void __attribute__((flatten)) drive(void *state, uint64_t count) {
  const struct loop *loop = state;
  uint64_t started = 0, completed = 0;
  unsigned length;
  void *buffer;
  while (completed != count) {
    if (loop->batch == 1) {
      if (started != count && started - completed < loop->depth && add_inbuf(0, "Buffer\n", "Hello, world!") == 0)
        started++;
      if (started != completed && get_buf(&length, &buffer)) completed++;
    } else {
      while (started != completed && get_buf(&length, &buffer)) completed++;
      while (started != count && started - completed < loop->depth) {
        if (add_inbuf(0, "Buffer\n", "Hello, world!") != 0) break;
        started++;
      }
    }
  }
}

static void __attribute__((flatten)) serve(void *state, uint64_t count) {
  (void)state;
  unsigned length;
  void *buffer;
  for (uint64_t completed = 0; completed != count;)
    if (use_buf(&length, &buffer)) completed++;
}

int main(int argc, char **argv) {
  static struct loop loops[] = {{1, 1}, {1, 256}, {32, 256}};
  static struct peer peers[3];
  alloc_ring();
  for (int i = 0; i < 3; i++) {
    snprintf(peers[i].name, sizeof peers[i].name, "batch %u depth %u", loops[i].batch, loops[i].depth);
    peers[i].drive = drive, peers[i].serve = serve, peers[i].state = &loops[i], peers[i].warm_up = 256;
  }
  return peers_serve(peers, 3, argc > 1 ? argv[1] : "0,1");
}
