// What the four peers share: the payload, the window, waiting.
#ifndef CPEER_PRIVATE_H
#define CPEER_PRIVATE_H

#include <stdbool.h>

#include "CPeer.h"

// The bit a device's stream differs by from the driver's of the same number.
#define CPEER_REPLY 0x8000000000000000ull

// A packed descriptor's flags are 16 bits that some peers read and write as the end of a word of 64. Hardware orders
// both alike; the thread sanitizer pairs only accesses to the same address, so it is told that the word is meant.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define CPEER_ACQUIRED(word) __tsan_acquire(word)
#define CPEER_RELEASING(word) __tsan_release(word)
#endif
#endif
#ifndef CPEER_ACQUIRED
#define CPEER_ACQUIRED(word) ((void)(word))
#define CPEER_RELEASING(word) ((void)(word))
#endif

static inline uint16_t peer_load_flags(struct vring_packed_desc *e) {
  uint16_t flags = __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE);
  CPEER_ACQUIRED(&e->len);
  return flags;
}

static inline void peer_store_flags(struct vring_packed_desc *e, uint16_t flags) {
  CPEER_RELEASING(&e->len);
  __atomic_store_n(&e->flags, flags, __ATOMIC_RELEASE);
}

#define CPEER_SLOT_BYTES (CPEER_SEGMENT * CPEER_SEGMENTS)

struct peer {
  const struct cpeer_run *run;
  struct cpeer_report report;
  uint64_t idle;
};

// Records the first failure; always returns false.
bool peer_fail(struct peer *peer, enum cpeer_failure failure, uint64_t expected, uint64_t found);

// The host address of a range of the window, or NULL (and a failure).
uint8_t *peer_memory(struct peer *peer, uint64_t address, uint64_t bytes);

// One turn without work: false when it is time to give up. Polls, or sleeps when `asleep` says that the other side
// knows; `asleep` must have looked again after it said so.
bool peer_idle(struct peer *peer, bool asleep);

static inline void peer_busy(struct peer *peer) { peer->idle = 0; }

// Rings the other side, or counts that it did not want it.
void peer_notify(struct peer *peer, bool due);

// Reads a device's part of a chain: `consumed` and `produced` are the positions in both streams, and `written` bytes of
// the whole writable part are to be filled.
bool peer_device_segment(struct peer *peer, uint64_t sequence, uint64_t address, uint32_t length, bool is_writable,
                         uint64_t *consumed, uint64_t *produced);

// What a driver knows of a buffer in flight.
struct peer_buffer {
  uint64_t sequence;
  uint32_t capacity;
  uint32_t descriptors;
  bool in_flight;
};

// Fills a buffer's readable segments and wipes its writable ones; the segments lie behind each other in slot `slot`.
void peer_prepare(struct peer *peer, uint32_t slot, uint64_t sequence, uint32_t readable, uint32_t writable);
uint64_t peer_slot_address(const struct peer *peer, uint32_t slot);
uint64_t peer_table_address(const struct peer *peer, uint32_t slot);

// Checks a completed buffer: the length, the bytes written, and that those behind are as they were wiped.
bool peer_collect(struct peer *peer, uint32_t slot, struct peer_buffer *buffer, uint32_t length);

#endif
