#include "peer.h"

#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WIPED 0xa5

size_t cpeer_used_event_offset(uint32_t size) {
  struct vring_avail *avail = 0;
  struct vring ring = {.num = size, .avail = avail};
  return (size_t)(uintptr_t)&vring_used_event(&ring);
}

size_t cpeer_avail_event_offset(uint32_t size) {
  struct vring_used *used = 0;
  struct vring ring = {.num = size, .used = used};
  return (size_t)(uintptr_t)&vring_avail_event(&ring);
}

static uint64_t mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  return x;
}

static uint8_t stream(uint64_t sequence, uint64_t grown, size_t at) {
  return (uint8_t)(at < 8 ? sequence >> (8 * at) : (grown >> (8 * (at & 7))) + at);
}

void cpeer_fill(uint8_t *bytes, size_t count, uint64_t sequence, size_t offset) {
  uint64_t grown = mix(sequence + 1);
  for (size_t i = 0; i < count; i++) bytes[i] = stream(sequence, grown, offset + i);
}

size_t cpeer_check(const uint8_t *bytes, size_t count, uint64_t sequence, size_t offset) {
  uint64_t grown = mix(sequence + 1);
  for (size_t i = 0; i < count; i++)
    if (bytes[i] != stream(sequence, grown, offset + i)) return i;
  return count;
}

uint64_t cpeer_sum(const uint8_t *bytes, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i += 8) {
    uint64_t word = 0;
    memcpy(&word, bytes + i, count - i < 8 ? count - i : 8);
    sum = mix(sum ^ word) + i;
  }
  return sum;
}

uint32_t cpeer_readable_count(uint64_t sequence, uint32_t limit) {
  uint32_t count = (uint32_t)(mix(sequence) % 3);
  return count < limit ? count : limit;
}

uint32_t cpeer_writable_count(uint64_t sequence, uint32_t limit) {
  uint32_t readable = cpeer_readable_count(sequence, limit);
  uint32_t count = (uint32_t)(mix(sequence) / 3 % 3);
  if (readable + count == 0) count = 1;
  return count < limit - readable ? count : limit - readable;
}

uint32_t cpeer_written(uint64_t sequence, uint32_t capacity) { return sequence % 5 == 3 ? capacity / 2 : capacity; }

bool peer_fail(struct peer *peer, enum cpeer_failure failure, uint64_t expected, uint64_t found) {
  if (peer->report.failure == CPEER_OK) {
    peer->report.failure = failure;
    peer->report.expected = expected;
    peer->report.found = found;
  }
  return false;
}

uint8_t *peer_memory(struct peer *peer, uint64_t address, uint64_t bytes) {
  uint64_t offset = address - peer->run->window_address;
  if (offset >= peer->run->window_bytes || bytes > peer->run->window_bytes - offset) {
    peer_fail(peer, CPEER_BAD_ADDRESS, peer->run->window_address, address);
    return NULL;
  }
  return peer->run->window + offset;
}

void cpeer_yield(void) { sched_yield(); }

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

bool peer_idle(struct peer *peer, bool asleep) {
  if (__atomic_load_n(peer->run->stop, __ATOMIC_ACQUIRE)) return peer_fail(peer, CPEER_STOPPED, 0, 0);
  if (asleep && peer->run->sleep_fd >= 0) {
    // Longer than any scheduler keeps a thread off its CPU here; `stop` is looked at in between.
    for (int turn = 0; turn < 300; turn++) {
      struct pollfd p = {.fd = peer->run->sleep_fd, .events = POLLIN};
      if (poll(&p, 1, 100) == 1) {
        uint64_t count;
        if (read(p.fd, &count, sizeof count) != sizeof count) continue;
        peer->report.slept++;
        return true;
      }
      if (__atomic_load_n(peer->run->stop, __ATOMIC_ACQUIRE)) return peer_fail(peer, CPEER_STOPPED, 0, 0);
    }
    return peer_fail(peer, CPEER_LOST_WAKEUP, 0, peer->report.buffers);
  }
  if (peer->idle == 0) peer->idle = now();
  if (now() - peer->idle > 60000000000ull) return peer_fail(peer, CPEER_TIMED_OUT, 0, peer->report.buffers);
  sched_yield();
  return true;
}

void peer_notify(struct peer *peer, bool due) {
  if (!due) {
    peer->report.suppressed++;
    return;
  }
  peer->report.rung++;
  if (peer->run->ring_fd < 0) return;
  uint64_t one = 1;
  while (write(peer->run->ring_fd, &one, sizeof one) < 0) {
  }
}

bool peer_device_segment(struct peer *peer, uint64_t sequence, uint64_t address, uint32_t length, bool is_writable,
                         uint64_t *consumed, uint64_t *produced) {
  uint8_t *memory = peer_memory(peer, address, length);
  if (!memory) return false;
  if (is_writable) {
    // The caller does not know the chain's capacity yet: everything is filled, and a short length only tells of less.
    cpeer_fill(memory, length, sequence ^ CPEER_REPLY, *produced);
    *produced += length;
  } else {
    if (*produced) return peer_fail(peer, CPEER_BAD_CHAIN, 0, sequence);
    size_t bad = cpeer_check(memory, length, sequence, *consumed);
    if (bad != length) return peer_fail(peer, CPEER_BAD_PAYLOAD, sequence, *consumed + bad);
    *consumed += length;
  }
  return true;
}

size_t cpeer_driver_window_bytes(uint32_t size) {
  return (size_t)size * (CPEER_SLOT_BYTES + CPEER_SEGMENTS * sizeof(struct vring_desc));
}

uint64_t peer_slot_address(const struct peer *peer, uint32_t slot) {
  return peer->run->window_address + (uint64_t)peer->run->size * CPEER_SEGMENTS * sizeof(struct vring_desc) +
         (uint64_t)slot * CPEER_SLOT_BYTES;
}

uint64_t peer_table_address(const struct peer *peer, uint32_t slot) {
  return peer->run->window_address + (uint64_t)slot * CPEER_SEGMENTS * sizeof(struct vring_desc);
}

void peer_prepare(struct peer *peer, uint32_t slot, uint64_t sequence, uint32_t readable, uint32_t writable) {
  uint8_t *memory = peer_memory(peer, peer_slot_address(peer, slot), CPEER_SLOT_BYTES);
  size_t out = (size_t)readable * CPEER_SEGMENT;
  cpeer_fill(memory, out, sequence, 0);
  memset(memory + out, WIPED, (size_t)writable * CPEER_SEGMENT);
}

bool peer_collect(struct peer *peer, uint32_t slot, struct peer_buffer *buffer, uint32_t length) {
  uint32_t limit = peer->run->size < CPEER_SEGMENTS ? peer->run->size : CPEER_SEGMENTS;
  uint32_t readable = cpeer_readable_count(buffer->sequence, limit);
  uint32_t expected = cpeer_written(buffer->sequence, buffer->capacity);
  if (length != expected) return peer_fail(peer, CPEER_BAD_LENGTH, expected, length);
  uint8_t *memory = peer_memory(peer, peer_slot_address(peer, slot), CPEER_SLOT_BYTES);
  uint8_t *reply = memory + (size_t)readable * CPEER_SEGMENT;
  size_t bad = cpeer_check(memory, (size_t)readable * CPEER_SEGMENT, buffer->sequence, 0);
  if (bad != (size_t)readable * CPEER_SEGMENT) return peer_fail(peer, CPEER_BAD_PAYLOAD, buffer->sequence, bad);
  bad = cpeer_check(reply, length, buffer->sequence ^ CPEER_REPLY, 0);
  if (bad != length) return peer_fail(peer, CPEER_BAD_PAYLOAD, buffer->sequence ^ CPEER_REPLY, bad);
  buffer->in_flight = false;
  peer->report.buffers++;
  peer->report.bytes_read += length;
  return true;
}
