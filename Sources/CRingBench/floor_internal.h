// Layouts and state of the floor programs; each kind's loops are in a file of their own.
#ifndef CRINGBENCH_FLOOR_INTERNAL_H
#define CRINGBENCH_FLOOR_INTERNAL_H

#include "cringbench/floor.h"

struct crb_desc {
  uint64_t address;
  uint64_t word;
};

struct crb_avail {
  uint16_t flags, idx;
  uint16_t ring[];
};

struct crb_used {
  uint16_t flags, idx;
  struct {
    uint32_t id, length;
  } ring[];
};

// One side's private state, in two lines of its own.
struct crb_side {
  uint64_t added, returned, served, sink;
  uint32_t next, used_next;
  uint16_t wrap, used_wrap;
} __attribute__((aligned(128)));

struct crb_floor {
  enum crb_floor_kind kind;
  uint32_t size, depth, batch;
  struct crb_desc *descriptors;
  struct crb_avail *available;
  struct crb_used *used;
  struct crb_side driver, device;
  uint64_t goal __attribute__((aligned(128)));
  char padding[120];
};

#define CRB_AVAIL (1ull << 55)
#define CRB_USED (1ull << 63)

static inline uint64_t crb_load(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
static inline void crb_store(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }

void crb_split_drive(struct crb_floor *floor, uint64_t target, bool in_order, bool writes_available);
void crb_split_serve(struct crb_floor *floor, uint64_t goal, bool in_order);
void crb_packed_drive(struct crb_floor *floor, uint64_t target, bool in_order);
void crb_packed_serve(struct crb_floor *floor, uint64_t goal, bool in_order);
void crb_vector_drive(struct crb_floor *floor, uint64_t target, bool in_order);
void crb_vector_serve(struct crb_floor *floor, uint64_t goal, bool in_order);
bool crb_floor_has_vector(void);

#endif
