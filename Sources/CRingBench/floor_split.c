#include "floor_internal.h"

static inline __attribute__((always_inline)) void drive(struct crb_floor *f, uint64_t target, bool in_order,
                                                        bool writes_available) {
  struct crb_side s = f->driver;
  const uint32_t mask = f->size - 1, depth = f->depth, batch = f->batch;
  while (s.returned != target) {
    uint16_t seen = __atomic_load_n(&f->used->idx, __ATOMIC_ACQUIRE);
    uint16_t at = (uint16_t)s.returned;
    while (at != seen) {
      uint32_t id = __atomic_load_n(&f->used->ring[at & mask].id, __ATOMIC_RELAXED);
      s.sink += __atomic_load_n(&f->used->ring[at & mask].length, __ATOMIC_RELAXED);
      uint16_t n = 1;
      if (in_order) n = (uint16_t)(((id - at) & mask) + 1);
      at += n;
      s.returned += n;
    }
    while (s.added != target) {
      uint64_t want = target - s.added < batch ? target - s.added : batch;
      if (s.added - s.returned + want > depth) break;
      for (uint64_t i = 0; i < want; i++, s.added++) {
        uint32_t slot = (uint32_t)s.added & mask;
        crb_store(&f->descriptors[slot].address, 0x100000000ull + (uint64_t)slot * 2048);
        crb_store(&f->descriptors[slot].word, 1500);
        if (writes_available) __atomic_store_n(&f->available->ring[slot], (uint16_t)slot, __ATOMIC_RELAXED);
      }
      __atomic_store_n(&f->available->idx, (uint16_t)s.added, __ATOMIC_RELEASE);
    }
  }
  f->driver = s;
}

static inline __attribute__((always_inline)) void serve(struct crb_floor *f, uint64_t goal, bool in_order) {
  struct crb_side s = f->device;
  const uint32_t mask = f->size - 1, batch = f->batch;
  while (s.served != goal) {
    uint16_t seen = __atomic_load_n(&f->available->idx, __ATOMIC_ACQUIRE);
    uint16_t ready = (uint16_t)(seen - (uint16_t)s.served);
    if (ready == 0) continue;
    if (ready > batch) ready = (uint16_t)batch;
    uint16_t first = (uint16_t)s.served, head = 0;
    for (uint16_t i = 0; i < ready; i++) {
      uint16_t at = (uint16_t)(first + i);
      head = __atomic_load_n(&f->available->ring[at & mask], __ATOMIC_RELAXED);
      s.sink += crb_load(&f->descriptors[head].address) + crb_load(&f->descriptors[head].word);
      if (!in_order) {
        __atomic_store_n(&f->used->ring[at & mask].id, head, __ATOMIC_RELAXED);
        __atomic_store_n(&f->used->ring[at & mask].length, 0, __ATOMIC_RELAXED);
      }
    }
    if (in_order) {
      __atomic_store_n(&f->used->ring[first & mask].id, head, __ATOMIC_RELAXED);
      __atomic_store_n(&f->used->ring[first & mask].length, 0, __ATOMIC_RELAXED);
    }
    s.served += ready;
    __atomic_store_n(&f->used->idx, (uint16_t)s.served, __ATOMIC_RELEASE);
  }
  f->device = s;
}

void crb_split_drive(struct crb_floor *floor, uint64_t target, bool in_order, bool writes_available) {
  if (in_order)
    drive(floor, target, true, false);
  else if (writes_available)
    drive(floor, target, false, true);
  else
    drive(floor, target, false, false);
}

void crb_split_serve(struct crb_floor *floor, uint64_t goal, bool in_order) {
  if (in_order)
    serve(floor, goal, true);
  else
    serve(floor, goal, false);
}
