#include <stdlib.h>

#include "peer.h"

#define AVAIL (1 << VRING_PACKED_DESC_F_AVAIL)
#define USED (1 << VRING_PACKED_DESC_F_USED)

struct packed_driver {
  struct peer peer;
  struct vring_packed_desc *ring;
  struct vring_packed_desc_event *driver, *device;
  uint32_t size;
  struct peer_buffer *buffers;  // by id
  uint16_t *free_ids;
  uint16_t *order;  // ids in the order they were made available
  uint32_t free_count, room;
  uint32_t order_head, order_tail, in_flight;
  uint32_t available, used;
  bool available_wrap, used_wrap;
  uint64_t sequence;
};

static void step(uint32_t *at, bool *wrap, uint32_t count, uint32_t size) {
  *at += count;
  if (*at >= size) {
    *at -= size;
    *wrap = !*wrap;
  }
}

static void write_word(struct vring_packed_desc *e, uint64_t address, uint32_t length, uint16_t id) {
  __atomic_store_n(&e->addr, address, __ATOMIC_RELAXED);
  __atomic_store_n(&e->len, length, __ATOMIC_RELAXED);
  __atomic_store_n(&e->id, id, __ATOMIC_RELAXED);
}

// Returns the descriptors used, 0 when there is no room.
static uint32_t add(struct packed_driver *d) {
  const struct cpeer_run *run = d->peer.run;
  uint32_t limit = run->size < CPEER_SEGMENTS ? run->size : CPEER_SEGMENTS;
  uint32_t readable = cpeer_readable_count(d->sequence, limit);
  uint32_t writable = cpeer_writable_count(d->sequence, limit);
  uint32_t count = readable + writable;
  bool is_indirect = run->features & CPEER_INDIRECT && count > 1 && d->sequence & 1;
  uint32_t descriptors = is_indirect ? 1 : count;
  if (d->free_count == 0 || d->room < descriptors) return 0;
  uint16_t id = d->free_ids[--d->free_count];
  peer_prepare(&d->peer, id, d->sequence, readable, writable);
  uint64_t payload = peer_slot_address(&d->peer, id);
  struct vring_packed_desc *first = &d->ring[d->available];
  uint16_t first_flags = 0;
  if (is_indirect) {
    uint64_t address = peer_table_address(&d->peer, id);
    struct vring_packed_desc *table = (struct vring_packed_desc *)peer_memory(&d->peer, address, count * sizeof *table);
    for (uint32_t i = 0; i < count; i++)
      table[i] = (struct vring_packed_desc){payload + i * CPEER_SEGMENT, CPEER_SEGMENT, 0xffff,
                                            i < readable ? 0 : VRING_DESC_F_WRITE};
    // WRITE on the descriptor of a table is to be ignored.
    first_flags =
        VRING_DESC_F_INDIRECT | (d->sequence & 2 ? VRING_DESC_F_WRITE : 0) | (d->available_wrap ? AVAIL : USED);
    write_word(first, address, count * (uint32_t)sizeof *table, id);
    step(&d->available, &d->available_wrap, 1, d->size);
  } else {
    for (uint32_t i = 0; i < count; i++) {
      struct vring_packed_desc *e = &d->ring[d->available];
      uint16_t flags = (i < readable ? 0 : VRING_DESC_F_WRITE) | (i + 1 < count ? VRING_DESC_F_NEXT : 0) |
                       (d->available_wrap ? AVAIL : USED);
      // Only the last descriptor of a list carries the id.
      write_word(e, payload + i * CPEER_SEGMENT, CPEER_SEGMENT, i + 1 < count ? 0xffff : id);
      if (i == 0)
        first_flags = flags;
      else
        __atomic_store_n(&e->flags, flags, __ATOMIC_RELAXED);
      step(&d->available, &d->available_wrap, 1, d->size);
    }
  }
  peer_store_flags(first, first_flags);
  d->buffers[id] = (struct peer_buffer){d->sequence, writable * CPEER_SEGMENT, descriptors, true};
  d->order[d->order_tail] = id;
  d->order_tail = (d->order_tail + 1) % d->size;
  d->in_flight++;
  d->room -= descriptors;
  d->sequence++;
  return descriptors;
}

static bool is_used(struct packed_driver *d) {
  uint16_t flags = peer_load_flags(&d->ring[d->used]);
  return d->in_flight && !!(flags & AVAIL) == d->used_wrap && !!(flags & USED) == d->used_wrap;
}

static bool finish(struct packed_driver *d, uint16_t id, uint32_t length) {
  struct peer_buffer *buffer = &d->buffers[id];
  if (!peer_collect(&d->peer, id, buffer, length)) return false;
  step(&d->used, &d->used_wrap, buffer->descriptors, d->size);
  d->room += buffer->descriptors;
  d->free_ids[d->free_count++] = id;
  d->in_flight--;
  return true;
}

static bool reclaim(struct packed_driver *d) {
  while (is_used(d)) {
    struct vring_packed_desc e = d->ring[d->used];
    if (e.id >= d->size || !d->buffers[e.id].in_flight) return peer_fail(&d->peer, CPEER_BAD_IDENTIFIER, d->size, e.id);
    uint32_t length = e.flags & VRING_DESC_F_WRITE ? e.len : 0;
    if (d->peer.run->features & CPEER_IN_ORDER) {
      while (1) {
        uint16_t id = d->order[d->order_head];
        d->order_head = (d->order_head + 1) % d->size;
        if (id == e.id) break;
        if (!finish(d, id, d->buffers[id].capacity)) return false;
      }
    }
    if (!finish(d, e.id, length)) return false;
  }
  return true;
}

static bool is_due(struct packed_driver *d, uint32_t descriptors) {
  uint16_t flags = __atomic_load_n(&d->device->flags, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  uint16_t event = __atomic_load_n(&d->device->off_wrap, __ATOMIC_RELAXED);
  if (flags != VRING_PACKED_EVENT_FLAG_DESC) return flags == VRING_PACKED_EVENT_FLAG_ENABLE;
  uint16_t offset = event & ~(1 << VRING_PACKED_EVENT_F_WRAP_CTR);
  if (event >> VRING_PACKED_EVENT_F_WRAP_CTR != d->available_wrap) offset -= d->size;
  return vring_need_event(offset, (uint16_t)d->available, (uint16_t)(d->available - descriptors));
}

static void wish(struct packed_driver *d, uint16_t flags) {
  if (flags == VRING_PACKED_EVENT_FLAG_DESC) {
    uint16_t event = (uint16_t)(d->used | d->used_wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
    __atomic_store_n(&d->driver->off_wrap, event, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&d->driver->flags, flags, __ATOMIC_RELEASE);
}

static bool wait(struct packed_driver *d) {
  if (d->peer.run->sleep_fd < 0) return peer_idle(&d->peer, false);
  wish(d, d->peer.run->features & CPEER_EVENT ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  bool asleep = !is_used(d);
  if (asleep && !peer_idle(&d->peer, true)) return false;
  wish(d, VRING_PACKED_EVENT_FLAG_DISABLE);
  return true;
}

struct cpeer_report cpeer_packed_driver(const struct cpeer_run *run) {
  struct packed_driver d = {.peer = {.run = run},
                            .ring = run->descriptors,
                            .driver = run->driver_area,
                            .device = run->device_area,
                            .size = run->size,
                            .free_count = run->size,
                            .room = run->size,
                            .available_wrap = true,
                            .used_wrap = true};
  d.buffers = calloc(run->size, sizeof *d.buffers);
  d.order = calloc(run->size, sizeof *d.order);
  d.free_ids = calloc(run->size, sizeof *d.free_ids);
  for (uint32_t i = 0; i < run->size; i++) d.free_ids[i] = (uint16_t)i;
  while (d.peer.report.buffers < run->buffers) {
    uint32_t added = 0, now;
    for (uint32_t i = 0; i < run->batch && d.sequence < run->buffers && (now = add(&d)); i++) added += now;
    if (added) {
      peer_busy(&d.peer);
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
      peer_notify(&d.peer, is_due(&d, added));
    }
    uint64_t before = d.peer.report.buffers;
    if (!reclaim(&d)) break;
    if (d.peer.report.buffers == before && !added && !wait(&d)) break;
  }
  free(d.buffers);
  free(d.order);
  free(d.free_ids);
  return d.peer.report;
}
