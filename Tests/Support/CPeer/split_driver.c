#include <stdlib.h>

#include "peer.h"

struct split_driver {
  struct peer peer;
  struct vring ring;
  struct peer_buffer *buffers;  // by head
  uint16_t *order;              // heads by available index
  uint16_t *chain;              // next descriptor of a chain, by descriptor; free ones are linked too
  uint16_t free_head;
  uint32_t free_count;
  uint16_t available, returned;
  uint64_t sequence;
};

static uint16_t take(struct split_driver *d) {
  uint16_t slot = d->free_head;
  d->free_head = d->chain[slot];
  d->free_count--;
  return slot;
}

static void put_back(struct split_driver *d, uint16_t head) {
  uint16_t slot = head;
  for (uint32_t i = 0; i < d->buffers[head].descriptors; i++) {
    uint16_t next = d->chain[slot];
    if (!(d->peer.run->features & CPEER_IN_ORDER)) {
      // Most recently used first: unlike RingKit's own order, so the table is used in a different pattern.
      d->chain[slot] = d->free_head;
      d->free_head = slot;
    }
    slot = next;
  }
  d->free_count += d->buffers[head].descriptors;
}

static bool add(struct split_driver *d) {
  const struct cpeer_run *run = d->peer.run;
  uint32_t limit = run->size < CPEER_SEGMENTS ? run->size : CPEER_SEGMENTS;
  uint32_t readable = cpeer_readable_count(d->sequence, limit);
  uint32_t writable = cpeer_writable_count(d->sequence, limit);
  uint32_t count = readable + writable;
  bool is_indirect = run->features & CPEER_INDIRECT && count > 1 && d->sequence & 1;
  if (d->free_count < (is_indirect ? 1 : count)) return false;
  uint16_t head = d->free_head;
  peer_prepare(&d->peer, head, d->sequence, readable, writable);
  struct vring_desc *table = d->ring.desc;
  if (is_indirect) {
    uint64_t address = peer_table_address(&d->peer, head);
    table = (struct vring_desc *)peer_memory(&d->peer, address, count * sizeof *table);
    uint16_t slot = take(d);
    // WRITE on the descriptor of a table is to be ignored.
    d->ring.desc[slot] = (struct vring_desc){address, count * (uint32_t)sizeof *table,
                                             VRING_DESC_F_INDIRECT | (d->sequence & 2 ? VRING_DESC_F_WRITE : 0), 0};
  }
  uint32_t slot = is_indirect ? 0 : head;
  for (uint32_t i = 0; i < count; i++) {
    if (!is_indirect) slot = take(d);
    uint32_t next = is_indirect ? i + 1 : d->free_head;
    bool last = i + 1 == count;
    uint16_t flags = (i < readable ? 0 : VRING_DESC_F_WRITE) | (last ? 0 : VRING_DESC_F_NEXT);
    table[slot] = (struct vring_desc){peer_slot_address(&d->peer, head) + i * CPEER_SEGMENT, CPEER_SEGMENT, flags,
                                      last ? 0 : (uint16_t)next};
    if (is_indirect) slot++;
  }
  d->buffers[head] = (struct peer_buffer){d->sequence, writable * CPEER_SEGMENT, is_indirect ? 1 : count, true};
  d->order[d->available % run->size] = head;
  __atomic_store_n(&d->ring.avail->ring[d->available % run->size], head, __ATOMIC_RELAXED);
  d->available++;
  d->sequence++;
  return true;
}

static bool finish(struct split_driver *d, uint16_t head, uint32_t length) {
  if (!peer_collect(&d->peer, head, &d->buffers[head], length)) return false;
  put_back(d, head);
  d->returned++;
  return true;
}

static bool reclaim(struct split_driver *d) {
  uint16_t used = __atomic_load_n(&d->ring.used->idx, __ATOMIC_ACQUIRE);
  uint16_t ready = used - d->returned;
  if (ready > (uint16_t)(d->available - d->returned))
    return peer_fail(&d->peer, CPEER_BAD_IDENTIFIER, d->available, used);
  while (d->returned != used) {
    struct vring_used_elem e = d->ring.used->ring[d->returned % d->ring.num];
    if (e.id >= d->ring.num || !d->buffers[e.id].in_flight)
      return peer_fail(&d->peer, CPEER_BAD_IDENTIFIER, d->ring.num, e.id);
    if (d->peer.run->features & CPEER_IN_ORDER) {
      uint16_t head;
      while ((head = d->order[d->returned % d->ring.num]) != e.id) {
        if (d->returned == used) return peer_fail(&d->peer, CPEER_BAD_IDENTIFIER, head, e.id);
        if (!finish(d, head, d->buffers[head].capacity)) return false;
      }
    }
    if (!finish(d, (uint16_t)e.id, e.len)) return false;
  }
  return true;
}

static bool wait(struct split_driver *d) {
  bool has_event = d->peer.run->features & CPEER_EVENT;
  if (d->peer.run->sleep_fd < 0) return peer_idle(&d->peer, false);
  if (has_event)
    __atomic_store_n(&vring_used_event(&d->ring), d->returned, __ATOMIC_RELAXED);
  else
    __atomic_store_n(&d->ring.avail->flags, 0, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  bool asleep = __atomic_load_n(&d->ring.used->idx, __ATOMIC_ACQUIRE) == d->returned;
  if (asleep && !peer_idle(&d->peer, true)) return false;
  if (!has_event) __atomic_store_n(&d->ring.avail->flags, VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
  return true;
}

struct cpeer_report cpeer_split_driver(const struct cpeer_run *run) {
  struct split_driver d = {
      .peer = {.run = run},
      .ring = {.num = run->size, .desc = run->descriptors, .avail = run->driver_area, .used = run->device_area},
      .free_count = run->size};
  d.buffers = calloc(run->size, sizeof *d.buffers);
  d.order = calloc(run->size, sizeof *d.order);
  d.chain = calloc(run->size, sizeof *d.chain);
  for (uint32_t i = 0; i < run->size; i++) d.chain[i] = (uint16_t)((i + 1) % run->size);
  while (d.peer.report.buffers < run->buffers) {
    uint16_t old = d.available;
    for (uint32_t i = 0; i < run->batch && d.sequence < run->buffers && add(&d); i++) {
    }
    if (d.available != old) {
      peer_busy(&d.peer);
      __atomic_store_n(&d.ring.avail->idx, d.available, __ATOMIC_RELEASE);
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
      if (run->features & CPEER_EVENT)
        peer_notify(&d.peer,
                    vring_need_event(__atomic_load_n(&vring_avail_event(&d.ring), __ATOMIC_RELAXED), d.available, old));
      else
        peer_notify(&d.peer, !(__atomic_load_n(&d.ring.used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY));
    }
    uint16_t before = d.returned;
    if (!reclaim(&d)) break;
    if (d.returned == before && d.available == old && !wait(&d)) break;
  }
  free(d.buffers);
  free(d.order);
  free(d.chain);
  return d.peer.report;
}
