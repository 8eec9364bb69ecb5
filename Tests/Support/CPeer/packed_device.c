#include <stdlib.h>

#include "peer.h"

#define AVAIL (1 << VRING_PACKED_DESC_F_AVAIL)
#define USED (1 << VRING_PACKED_DESC_F_USED)

struct packed_device {
  struct peer peer;
  struct vring_packed_desc *ring;
  struct vring_packed_desc_event *driver, *device;
  uint32_t size;
  uint32_t seen, used;
  bool seen_wrap, used_wrap;
  uint64_t sequence;
};

static void step(uint32_t *at, bool *wrap, uint32_t count, uint32_t size) {
  *at += count;
  if (*at >= size) {
    *at -= size;
    *wrap = !*wrap;
  }
}

static uint16_t flags_at(struct packed_device *d, uint32_t at) { return peer_load_flags(&d->ring[at]); }

static bool is_available(uint16_t flags, bool wrap) { return !!(flags & AVAIL) == wrap && !!(flags & USED) != wrap; }

static bool table(struct packed_device *d, const struct vring_packed_desc *e, uint64_t *consumed, uint64_t *produced) {
  if (e->len % sizeof *e || e->len / sizeof *e > d->size) return peer_fail(&d->peer, CPEER_BAD_LENGTH, 16, e->len);
  const struct vring_packed_desc *entries = (const struct vring_packed_desc *)peer_memory(&d->peer, e->addr, e->len);
  if (!entries) return false;
  for (uint32_t i = 0; i < e->len / sizeof *e; i++) {
    if (entries[i].flags & ~VRING_DESC_F_WRITE) return peer_fail(&d->peer, CPEER_BAD_CHAIN, 0, entries[i].flags);
    if (!peer_device_segment(&d->peer, d->sequence, entries[i].addr, entries[i].len,
                             entries[i].flags & VRING_DESC_F_WRITE, consumed, produced))
      return false;
  }
  return true;
}

// Reads the buffer at the next available position, which is available.
static bool fetch(struct packed_device *d, uint16_t *id, uint32_t *descriptors, uint32_t *written) {
  uint64_t consumed = 0, produced = 0;
  uint32_t count = 0;
  while (1) {
    struct vring_packed_desc e = d->ring[d->seen];
    if (!is_available(e.flags, d->seen_wrap)) return peer_fail(&d->peer, CPEER_BAD_CHAIN, d->seen_wrap, e.flags);
    step(&d->seen, &d->seen_wrap, 1, d->size);
    if (++count > d->size) return peer_fail(&d->peer, CPEER_BAD_CHAIN, d->size, count);
    if (e.flags & VRING_DESC_F_INDIRECT) {
      if (e.flags & VRING_DESC_F_NEXT || count > 1 || !(d->peer.run->features & CPEER_INDIRECT))
        return peer_fail(&d->peer, CPEER_BAD_CHAIN, 0, e.flags);
      if (!table(d, &e, &consumed, &produced)) return false;
    } else if (!peer_device_segment(&d->peer, d->sequence, e.addr, e.len, e.flags & VRING_DESC_F_WRITE, &consumed,
                                    &produced)) {
      return false;
    }
    *id = e.id;
    if (!(e.flags & VRING_DESC_F_NEXT)) break;
  }
  *descriptors = count;
  *written = cpeer_written(d->sequence, (uint32_t)produced);
  d->peer.report.bytes_read += consumed;
  d->peer.report.bytes_written += *written;
  d->peer.report.buffers++;
  d->sequence++;
  return true;
}

static void use(struct packed_device *d, uint32_t at, bool wrap, uint16_t id, uint32_t length) {
  // Atomic, because the driver may already look at the descriptor, whole.
  __atomic_store_n(&d->ring[at].id, id, __ATOMIC_RELAXED);
  __atomic_store_n(&d->ring[at].len, length, __ATOMIC_RELAXED);
  uint16_t flags = (wrap ? AVAIL | USED : 0) | (length ? VRING_DESC_F_WRITE : 0);
  peer_store_flags(&d->ring[at], flags);
}

static bool is_due(struct packed_device *d, uint32_t descriptors) {
  uint16_t flags = __atomic_load_n(&d->driver->flags, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  uint16_t event = __atomic_load_n(&d->driver->off_wrap, __ATOMIC_RELAXED);
  if (flags != VRING_PACKED_EVENT_FLAG_DESC) return flags == VRING_PACKED_EVENT_FLAG_ENABLE;
  uint16_t offset = event & ~(1 << VRING_PACKED_EVENT_F_WRAP_CTR);
  if (event >> VRING_PACKED_EVENT_F_WRAP_CTR != d->used_wrap) offset -= d->size;
  return vring_need_event(offset, (uint16_t)d->used, (uint16_t)(d->used - descriptors));
}

static void wish(struct packed_device *d, uint16_t flags) {
  if (flags == VRING_PACKED_EVENT_FLAG_DESC) {
    uint16_t event = (uint16_t)(d->seen | d->seen_wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
    __atomic_store_n(&d->device->off_wrap, event, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&d->device->flags, flags, __ATOMIC_RELEASE);
}

static bool wait(struct packed_device *d) {
  if (d->peer.run->sleep_fd < 0) return peer_idle(&d->peer, false);
  wish(d, d->peer.run->features & CPEER_EVENT ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  bool asleep = !is_available(flags_at(d, d->seen), d->seen_wrap);
  if (asleep && !peer_idle(&d->peer, true)) return false;
  wish(d, VRING_PACKED_EVENT_FLAG_DISABLE);
  return true;
}

struct cpeer_report cpeer_packed_device(const struct cpeer_run *run) {
  struct packed_device d = {.peer = {.run = run},
                            .ring = run->descriptors,
                            .driver = run->driver_area,
                            .device = run->device_area,
                            .size = run->size,
                            .seen_wrap = true,
                            .used_wrap = true};
  uint16_t *ids = calloc(run->batch, sizeof *ids);
  uint32_t *counts = calloc(run->batch, sizeof *counts);
  uint32_t *lengths = calloc(run->batch, sizeof *lengths);
  bool in_order = run->features & CPEER_IN_ORDER;
  while (d.peer.report.buffers < run->buffers) {
    uint32_t count = 0, total = 0;
    uint32_t batch_at = d.used;
    bool batch_wrap = d.used_wrap, whole = true;
    while (count < run->batch && is_available(flags_at(&d, d.seen), d.seen_wrap)) {
      uint64_t sequence = d.sequence;
      whole = fetch(&d, &ids[count], &counts[count], &lengths[count]);
      if (!whole) break;
      total += counts[count];
      if (in_order) {
        step(&d.used, &d.used_wrap, counts[count], d.size);
        // A short buffer ends its batch: the ones that are skipped count as written in full.
        bool ends = count + 1 == run->batch || cpeer_written(sequence, 2) != 2 ||
                    !is_available(flags_at(&d, d.seen), d.seen_wrap);
        if (ends) {
          use(&d, batch_at, batch_wrap, ids[count], lengths[count]);
          batch_at = d.used;
          batch_wrap = d.used_wrap;
        }
        count++;
        if (ends) break;
      } else {
        count++;
      }
    }
    if (!whole) break;
    if (count == 0) {
      if (!wait(&d)) break;
      continue;
    }
    peer_busy(&d.peer);
    if (!in_order)
      for (uint32_t i = 0; i < count; i++) {
        uint32_t k = run->reverse ? count - 1 - i : i;
        use(&d, d.used, d.used_wrap, ids[k], lengths[k]);
        step(&d.used, &d.used_wrap, counts[k], d.size);
      }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    peer_notify(&d.peer, is_due(&d, total));
  }
  free(ids);
  free(counts);
  free(lengths);
  return d.peer.report;
}
