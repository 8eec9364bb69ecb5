#include <stdlib.h>

#include "peer.h"

struct split_device {
  struct peer peer;
  struct vring ring;
  uint16_t seen, used;
  uint64_t sequence;
};

static bool walk(struct split_device *d, uint16_t head, uint32_t *written) {
  const struct cpeer_run *run = d->peer.run;
  uint64_t consumed = 0, produced = 0;
  uint32_t count = 0, limit = d->ring.num;
  const struct vring_desc *table = d->ring.desc;
  uint32_t at = head;
  bool is_indirect = false;
  while (1) {
    if (at >= limit) return peer_fail(&d->peer, CPEER_BAD_IDENTIFIER, limit, at);
    struct vring_desc e = table[at];
    if (e.flags & VRING_DESC_F_INDIRECT) {
      if (is_indirect || !(run->features & CPEER_INDIRECT) || e.flags & VRING_DESC_F_NEXT || e.len % sizeof e)
        return peer_fail(&d->peer, CPEER_BAD_CHAIN, 0, e.flags);
      table = (const struct vring_desc *)peer_memory(&d->peer, e.addr, e.len);
      if (!table) return false;
      limit = e.len / sizeof e;
      at = 0;
      is_indirect = true;
      continue;
    }
    if (++count > d->ring.num) return peer_fail(&d->peer, CPEER_BAD_CHAIN, d->ring.num, count);
    if (!peer_device_segment(&d->peer, d->sequence, e.addr, e.len, e.flags & VRING_DESC_F_WRITE, &consumed, &produced))
      return false;
    if (!(e.flags & VRING_DESC_F_NEXT)) break;
    if (run->features & CPEER_IN_ORDER && e.next != (is_indirect ? at + 1 : (at + 1) % limit))
      return peer_fail(&d->peer, CPEER_BAD_CHAIN, at + 1, e.next);
    at = e.next;
  }
  *written = cpeer_written(d->sequence, (uint32_t)produced);
  d->peer.report.bytes_read += consumed;
  d->peer.report.bytes_written += *written;
  d->peer.report.buffers++;
  d->sequence++;
  return true;
}

static void use(struct split_device *d, uint16_t at, uint16_t head, uint32_t length) {
  struct vring_used_elem *e = &d->ring.used->ring[at % d->ring.num];
  e->id = head;
  e->len = length;
}

static bool wait(struct split_device *d) {
  bool has_event = d->peer.run->features & CPEER_EVENT;
  if (d->peer.run->sleep_fd < 0) return peer_idle(&d->peer, false);
  if (has_event)
    __atomic_store_n(&vring_avail_event(&d->ring), d->seen, __ATOMIC_RELAXED);
  else
    __atomic_store_n(&d->ring.used->flags, 0, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  bool asleep = __atomic_load_n(&d->ring.avail->idx, __ATOMIC_ACQUIRE) == d->seen;
  if (asleep && !peer_idle(&d->peer, true)) return false;
  if (!has_event) __atomic_store_n(&d->ring.used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
  return true;
}

struct cpeer_report cpeer_split_device(const struct cpeer_run *run) {
  struct split_device d = {
      .peer = {.run = run},
      .ring = {.num = run->size, .desc = run->descriptors, .avail = run->driver_area, .used = run->device_area}};
  uint16_t *heads = calloc(run->batch, sizeof *heads);
  uint32_t *lengths = calloc(run->batch, sizeof *lengths);
  bool in_order = run->features & CPEER_IN_ORDER;
  while (d.peer.report.buffers < run->buffers) {
    uint16_t index = __atomic_load_n(&d.ring.avail->idx, __ATOMIC_ACQUIRE);
    uint16_t ahead = index - d.seen;
    if (ahead == 0) {
      if (!wait(&d)) break;
      continue;
    }
    peer_busy(&d.peer);
    if (ahead > run->size) {
      peer_fail(&d.peer, CPEER_BAD_IDENTIFIER, run->size, ahead);
      break;
    }
    uint32_t count = ahead < run->batch ? ahead : run->batch;
    bool whole = true;
    uint16_t start = d.used, batch_start = d.used;
    for (uint32_t i = 0; i < count && whole; i++) {
      uint64_t sequence = d.sequence;
      heads[i] = __atomic_load_n(&d.ring.avail->ring[d.seen % run->size], __ATOMIC_RELAXED);
      whole = walk(&d, heads[i], &lengths[i]);
      d.seen++;
      if (!whole || !in_order) continue;
      d.used++;
      // A short buffer ends its batch: the ones that are skipped count as written in full.
      if (i + 1 == count || cpeer_written(sequence, 2) != 2) {
        use(&d, batch_start, heads[i], lengths[i]);
        batch_start = d.used;
      }
    }
    if (!whole) break;
    if (!in_order)
      for (uint32_t i = 0; i < count; i++) {
        uint32_t k = run->reverse ? count - 1 - i : i;
        use(&d, d.used++, heads[k], lengths[k]);
      }
    __atomic_store_n(&d.ring.used->idx, d.used, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (run->features & CPEER_EVENT)
      peer_notify(&d.peer,
                  vring_need_event(__atomic_load_n(&vring_used_event(&d.ring), __ATOMIC_RELAXED), d.used, start));
    else
      peer_notify(&d.peer, !(__atomic_load_n(&d.ring.avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT));
  }
  free(heads);
  free(lengths);
  return d.peer.report;
}
