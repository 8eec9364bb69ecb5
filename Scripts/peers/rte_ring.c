// DPDK's rte_ring, one producer and one consumer, pointers of 8 bytes one way; and the floors of our rings, which pass
// a descriptor of 16 bytes and bring it back.
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>

#include "cringbench/floor.h"
#include "slices.h"

enum { size = 256 };

struct state {
  struct rte_ring *ring;
  struct crb_floor *floor;
  unsigned burst;
  uint64_t sent, received;
};

static void send(void *state, uint64_t count) {
  struct state *s = state;
  void *objects[size];
  for (uint64_t target = s->sent + count; s->sent != target;) {
    unsigned wanted = target - s->sent < s->burst ? (unsigned)(target - s->sent) : s->burst;
    for (unsigned i = 0; i < wanted; i++) objects[i] = (void *)(uintptr_t)(s->sent + i);
    s->sent += rte_ring_sp_enqueue_burst(s->ring, objects, wanted, NULL);
  }
}

static void receive(void *state, uint64_t count) {
  struct state *s = state;
  void *objects[size];
  for (uint64_t target = s->received + count; s->received != target;) {
    unsigned n = rte_ring_sc_dequeue_burst(s->ring, objects, s->burst, NULL);
    for (unsigned i = 0; i < n; i++)
      if ((uintptr_t)objects[i] != s->received++) abort();
  }
}

static void drive_floor(void *state, uint64_t count) { crb_floor_drive(((struct state *)state)->floor, count); }
static void serve_floor(void *state, uint64_t count) {
  (void)count;
  crb_floor_serve(((struct state *)state)->floor);
}

int main(int argc, char **argv) {
  static struct peer peers[6];
  const unsigned bursts[] = {1, 32};
  const enum crb_floor_kind kinds[] = {CRB_FLOOR_PACKED, CRB_FLOOR_SPLIT_IN_ORDER};
  const char *const names[] = {"floor packed", "floor split in-order"};
  int count = 0;
  for (int i = 0; i < 2; i++) {
    for (int kind = -1; kind < 2; kind++) {
      struct peer *peer = &peers[count++];
      struct state *s = aligned_alloc(128, 128);
      *s = (struct state){NULL, NULL, bursts[i], 0, 0};
      peer->state = s, peer->warm_up = size;
      if (kind < 0) {
        s->ring = aligned_alloc(128, (size_t)rte_ring_get_memsize(size));
        if (rte_ring_init(s->ring, "peer", size, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) return 3;
        peer->drive = send, peer->serve = receive;
      } else {
        if (crb_floor_create(kinds[kind], size, size, bursts[i], &s->floor) != 0) return 3;
        peer->drive = drive_floor, peer->serve = serve_floor;
      }
      snprintf(peer->name, sizeof peer->name, "%s batch %u", kind < 0 ? "rte_ring" : names[kind], bursts[i]);
    }
  }
  return peers_serve(peers, count, argc > 1 ? argv[1] : "0,1");
}
