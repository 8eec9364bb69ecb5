#include "cringbench/floor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "floor_internal.h"

static uint64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static bool is_vector(enum crb_floor_kind kind) {
  return kind == CRB_FLOOR_PACKED_VECTOR || kind == CRB_FLOOR_PACKED_IN_ORDER_VECTOR;
}

bool crb_floor_possible(enum crb_floor_kind kind, uint32_t size, uint32_t batch) {
  if (size < 4 || size > 32768 || (size & (size - 1)) != 0 || batch == 0) return false;
  return !is_vector(kind) || (batch % 4 == 0 && crb_floor_has_vector());
}

int crb_floor_create(enum crb_floor_kind kind, uint32_t size, uint32_t depth, uint32_t batch, struct crb_floor **out) {
  if (!crb_floor_possible(kind, size, batch) || depth < batch || depth > size) return EINVAL;
  void *block;
  if (posix_memalign(&block, 128, sizeof(struct crb_floor)) != 0) return ENOMEM;
  struct crb_floor *floor = block;
  memset(floor, 0, sizeof *floor);
  floor->kind = kind;
  floor->size = size;
  floor->depth = depth;
  floor->batch = batch;
  floor->driver.wrap = floor->device.wrap = floor->driver.used_wrap = floor->device.used_wrap = 1;
  // Page-aligned, as a driver's ring is; the three parts of a split ring lie in lines of their own.
  size_t bytes = 32u * size + 1024;
  if (posix_memalign(&block, 4096, bytes) != 0) {
    free(floor);
    return ENOMEM;
  }
  memset(block, 0, bytes);
  floor->descriptors = block;
  floor->available = (struct crb_avail *)((char *)block + 16u * size);
  floor->used = (struct crb_used *)((char *)block + 16u * size + ((2u * size + 4 + 127) & ~127u));
  for (uint32_t i = 0; i < size; i++) floor->available->ring[i] = (uint16_t)i;
  *out = floor;
  return 0;
}

void crb_floor_destroy(struct crb_floor *floor) {
  if (!floor) return;
  free(floor->descriptors);
  free(floor);
}

uint64_t crb_floor_drive(struct crb_floor *floor, uint64_t count) {
  uint64_t target = floor->driver.returned + count;
  __atomic_store_n(&floor->goal, target, __ATOMIC_RELEASE);
  uint64_t start = nanoseconds();
  switch (floor->kind) {
    case CRB_FLOOR_SPLIT:
      crb_split_drive(floor, target, false, true);
      break;
    case CRB_FLOOR_SPLIT_STATIC:
      crb_split_drive(floor, target, false, false);
      break;
    case CRB_FLOOR_SPLIT_IN_ORDER:
      crb_split_drive(floor, target, true, false);
      break;
    case CRB_FLOOR_PACKED:
      crb_packed_drive(floor, target, false);
      break;
    case CRB_FLOOR_PACKED_IN_ORDER:
      crb_packed_drive(floor, target, true);
      break;
    case CRB_FLOOR_PACKED_VECTOR:
      crb_vector_drive(floor, target, false);
      break;
    case CRB_FLOOR_PACKED_IN_ORDER_VECTOR:
      crb_vector_drive(floor, target, true);
      break;
  }
  return nanoseconds() - start;
}

void crb_floor_serve(struct crb_floor *floor) {
  uint64_t goal;
  do {
    goal = __atomic_load_n(&floor->goal, __ATOMIC_ACQUIRE);
  } while (goal == floor->device.served);
  switch (floor->kind) {
    case CRB_FLOOR_SPLIT:
    case CRB_FLOOR_SPLIT_STATIC:
      crb_split_serve(floor, goal, false);
      break;
    case CRB_FLOOR_SPLIT_IN_ORDER:
      crb_split_serve(floor, goal, true);
      break;
    case CRB_FLOOR_PACKED:
      crb_packed_serve(floor, goal, false);
      break;
    case CRB_FLOOR_PACKED_IN_ORDER:
      crb_packed_serve(floor, goal, true);
      break;
    case CRB_FLOOR_PACKED_VECTOR:
      crb_vector_serve(floor, goal, false);
      break;
    case CRB_FLOOR_PACKED_IN_ORDER_VECTOR:
      crb_vector_serve(floor, goal, true);
      break;
  }
}
