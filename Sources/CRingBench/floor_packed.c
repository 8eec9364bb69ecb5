#include "floor_internal.h"

static inline uint64_t flags(uint16_t wrap) { return wrap ? CRB_AVAIL : CRB_USED; }
static inline uint64_t used_flags(uint16_t wrap) { return wrap ? CRB_AVAIL | CRB_USED : 0; }

static inline void step(uint32_t *next, uint16_t *wrap, uint32_t n, uint32_t size) {
  *next += n;
  if (*next >= size) {
    *next -= size;
    *wrap ^= 1;
  }
}

static inline __attribute__((always_inline)) void drive(struct crb_floor *f, uint64_t target, bool in_order) {
  struct crb_side s = f->driver;
  const uint32_t size = f->size, mask = size - 1, depth = f->depth, batch = f->batch;
  while (s.returned != target) {
    while (s.returned != s.added) {
      uint64_t word = __atomic_load_n(&f->descriptors[s.used_next].word, __ATOMIC_ACQUIRE);
      if ((word & (CRB_AVAIL | CRB_USED)) != used_flags(s.used_wrap)) break;
      s.sink += word;
      uint32_t n = 1;
      if (in_order) n = (((uint32_t)(word >> 32) - s.used_next) & mask) + 1;
      step(&s.used_next, &s.used_wrap, n, size);
      s.returned += n;
    }
    while (s.added != target) {
      uint64_t want = target - s.added < batch ? target - s.added : batch;
      if (s.added - s.returned + want > depth) break;
      uint32_t first = s.next;
      uint64_t held = 0;
      for (uint64_t i = 0; i < want; i++) {
        uint64_t word = 1500 | (uint64_t)s.next << 32 | flags(s.wrap);
        crb_store(&f->descriptors[s.next].address, 0x100000000ull + (uint64_t)s.next * 2048);
        if (i == 0)
          held = word;
        else
          crb_store(&f->descriptors[s.next].word, word);
        step(&s.next, &s.wrap, 1, size);
      }
      s.added += want;
      __atomic_store_n(&f->descriptors[first].word, held, __ATOMIC_RELEASE);
    }
  }
  f->driver = s;
}

static inline __attribute__((always_inline)) void serve(struct crb_floor *f, uint64_t goal, bool in_order) {
  struct crb_side s = f->device;
  const uint32_t size = f->size, batch = f->batch;
  while (s.served != goal) {
    uint32_t first = s.next, n = 0;
    uint16_t wrap = s.wrap;
    uint64_t held = 0, word = 0;
    while (n < batch) {
      word = __atomic_load_n(&f->descriptors[s.next].word, __ATOMIC_ACQUIRE);
      if ((word & (CRB_AVAIL | CRB_USED)) != flags(s.wrap)) break;
      s.sink += crb_load(&f->descriptors[s.next].address) + word;
      uint64_t used = (word & 0x0000ffff00000000ull) | used_flags(s.wrap);
      if (in_order)
        held = used;
      else if (n == 0)
        held = used;
      else
        crb_store(&f->descriptors[s.next].word, used);
      step(&s.next, &s.wrap, 1, size);
      n++;
    }
    if (n == 0) continue;
    // A batch's one used descriptor lies over its first, with the flags of that lap.
    if (in_order) held = (held & ~(CRB_AVAIL | CRB_USED)) | used_flags(wrap);
    __atomic_store_n(&f->descriptors[first].word, held, __ATOMIC_RELEASE);
    s.served += n;
  }
  f->device = s;
}

void crb_packed_drive(struct crb_floor *floor, uint64_t target, bool in_order) {
  if (in_order)
    drive(floor, target, true);
  else
    drive(floor, target, false);
}

void crb_packed_serve(struct crb_floor *floor, uint64_t goal, bool in_order) {
  if (in_order)
    serve(floor, goal, true);
  else
    serve(floor, goal, false);
}
