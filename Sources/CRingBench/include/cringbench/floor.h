// The floor under a ring: the smallest program that moves the same cache lines between the same two threads. No checks,
// no bookkeeping, no interface; not a ring one could use. It takes turns with the ring under test.
#ifndef CRINGBENCH_FLOOR_H
#define CRINGBENCH_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

enum crb_floor_kind {
  CRB_FLOOR_SPLIT,            // available entries written each time, one used entry per buffer
  CRB_FLOOR_SPLIT_STATIC,     // available entries left as they are, one used entry per buffer
  CRB_FLOOR_SPLIT_IN_ORDER,   // available entries left as they are, one used entry per batch
  CRB_FLOOR_PACKED,           // descriptors written as two words each
  CRB_FLOOR_PACKED_IN_ORDER,  // the same, one used descriptor per batch
  CRB_FLOOR_PACKED_VECTOR,    // four descriptors as one 64-byte store, where the CPU has it
  CRB_FLOOR_PACKED_IN_ORDER_VECTOR,
};

struct crb_floor;

// Whether this CPU runs the kind, and `batch` and `size` suit it (the vector kinds move groups of four).
bool crb_floor_possible(enum crb_floor_kind kind, uint32_t size, uint32_t batch);

// A ring of `size` entries (a power of two), `depth` buffers outstanding, `batch` per publish. Returns 0 or an errno.
int crb_floor_create(enum crb_floor_kind kind, uint32_t size, uint32_t depth, uint32_t batch, struct crb_floor **out);
void crb_floor_destroy(struct crb_floor *floor);

// The driver's thread: sends `count` buffers round while the other thread serves. Returns nanoseconds.
uint64_t crb_floor_drive(struct crb_floor *floor, uint64_t count);

// The device's thread: serves until the driver has everything back.
void crb_floor_serve(struct crb_floor *floor);

#endif
