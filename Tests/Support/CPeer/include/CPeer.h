// A virtio driver and a virtio device for both ring layouts, written on linux/virtio_ring.h and the specification
// alone: nothing here knows RingKit. A test runs one of them against RingKit's other end and compares what both saw.
#ifndef CPEER_H
#define CPEER_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the header says about sizes and offsets, for a comparison with RingKit's own numbers.
enum cpeer_layout {
  CPEER_DESC_SIZE = sizeof(struct vring_desc),
  CPEER_DESC_ADDR = offsetof(struct vring_desc, addr),
  CPEER_DESC_LEN = offsetof(struct vring_desc, len),
  CPEER_DESC_FLAGS = offsetof(struct vring_desc, flags),
  CPEER_DESC_NEXT = offsetof(struct vring_desc, next),
  CPEER_AVAIL_FLAGS = offsetof(struct vring_avail, flags),
  CPEER_AVAIL_IDX = offsetof(struct vring_avail, idx),
  CPEER_AVAIL_RING = offsetof(struct vring_avail, ring),
  CPEER_USED_FLAGS = offsetof(struct vring_used, flags),
  CPEER_USED_IDX = offsetof(struct vring_used, idx),
  CPEER_USED_RING = offsetof(struct vring_used, ring),
  CPEER_USED_ELEM_SIZE = sizeof(struct vring_used_elem),
  CPEER_USED_ELEM_ID = offsetof(struct vring_used_elem, id),
  CPEER_USED_ELEM_LEN = offsetof(struct vring_used_elem, len),
  CPEER_PACKED_DESC_SIZE = sizeof(struct vring_packed_desc),
  CPEER_PACKED_DESC_ADDR = offsetof(struct vring_packed_desc, addr),
  CPEER_PACKED_DESC_LEN = offsetof(struct vring_packed_desc, len),
  CPEER_PACKED_DESC_ID = offsetof(struct vring_packed_desc, id),
  CPEER_PACKED_DESC_FLAGS = offsetof(struct vring_packed_desc, flags),
  CPEER_PACKED_EVENT_SIZE = sizeof(struct vring_packed_desc_event),
  CPEER_PACKED_EVENT_OFF_WRAP = offsetof(struct vring_packed_desc_event, off_wrap),
  CPEER_PACKED_EVENT_FLAGS = offsetof(struct vring_packed_desc_event, flags),
  CPEER_FLAG_NEXT = VRING_DESC_F_NEXT,
  CPEER_FLAG_WRITE = VRING_DESC_F_WRITE,
  CPEER_FLAG_INDIRECT = VRING_DESC_F_INDIRECT,
  CPEER_FLAG_AVAIL = 1 << VRING_PACKED_DESC_F_AVAIL,
  CPEER_FLAG_USED = 1 << VRING_PACKED_DESC_F_USED,
  CPEER_EVENT_ENABLE = VRING_PACKED_EVENT_FLAG_ENABLE,
  CPEER_EVENT_DISABLE = VRING_PACKED_EVENT_FLAG_DISABLE,
  CPEER_EVENT_DESC = VRING_PACKED_EVENT_FLAG_DESC,
  CPEER_EVENT_WRAP_SHIFT = VRING_PACKED_EVENT_F_WRAP_CTR,
  CPEER_BIT_INDIRECT_DESC = VIRTIO_RING_F_INDIRECT_DESC,
  CPEER_BIT_EVENT_IDX = VIRTIO_RING_F_EVENT_IDX,
};

// Offsets of used_event and avail_event in their parts, as the header's macros compute them.
size_t cpeer_used_event_offset(uint32_t size);
size_t cpeer_avail_event_offset(uint32_t size);

// What the peer negotiated; the feature bits it looks at.
enum cpeer_feature {
  CPEER_INDIRECT = 1,
  CPEER_EVENT = 2,
  CPEER_IN_ORDER = 4,
};

enum cpeer_failure {
  CPEER_OK = 0,
  CPEER_STOPPED = 1,         // the other side gave up first
  CPEER_TIMED_OUT = 2,       // nothing came for a minute of polling
  CPEER_LOST_WAKEUP = 3,     // asleep, and no doorbell although there was work
  CPEER_BAD_PAYLOAD = 4,     // bytes differ from what their sequence number says
  CPEER_BAD_ADDRESS = 5,     // an address outside the window
  CPEER_BAD_IDENTIFIER = 6,  // a descriptor index or buffer id that cannot be
  CPEER_BAD_LENGTH = 7,      // a used length that was not written
  CPEER_BAD_CHAIN = 8,       // flags or order no driver may write
};

struct cpeer_run {
  // Descriptor area; driver area (available ring or driver event); device area (used ring or device event).
  void *descriptors;
  void *driver_area;
  void *device_area;
  uint32_t size;
  uint32_t features;
  // The only memory it may touch.
  uint64_t window_address;
  uint8_t *window;
  uint64_t window_bytes;
  // How many buffers to exchange, and how many at a time at most.
  uint64_t buffers;
  uint32_t batch;
  // Device: completes each batch backwards, where IN_ORDER does not forbid it.
  uint32_t reverse;
  // eventfds: one to sleep on, one to ring; -1 where it polls and needs no waking.
  int sleep_fd;
  int ring_fd;
  // Becomes nonzero when the other side gives up.
  const uint32_t *stop;
};

struct cpeer_report {
  enum cpeer_failure failure;
  // What was expected and what was found, or the value that is wrong.
  uint64_t expected;
  uint64_t found;
  // Buffers that went through, their bytes, and notifications sent, not sent, and slept for.
  uint64_t buffers;
  uint64_t bytes_read;
  uint64_t bytes_written;
  uint64_t rung;
  uint64_t suppressed;
  uint64_t slept;
};

// Each runs on the calling thread until `buffers` went through or something is wrong.
struct cpeer_report cpeer_split_device(const struct cpeer_run *run);
struct cpeer_report cpeer_split_driver(const struct cpeer_run *run);
struct cpeer_report cpeer_packed_device(const struct cpeer_run *run);
struct cpeer_report cpeer_packed_driver(const struct cpeer_run *run);

// The same in a process of its own, forked from this one: it sees memory as it is mapped now, and exits with the
// report's failure. Its pid, or a negative errno.
int32_t cpeer_fork_device(const struct cpeer_run *run, int is_packed);

// Calls a function that takes no lock and no memory in a forked process, which exits with 0 then. Returns its process
// identifier, or less than 0.
int32_t cpeer_fork_call(void (*body)(void *), void *argument);

// Whether a sanitizer is part of the program: it maps memory of its own for each thread, and ends a process that
// cannot.
bool cpeer_has_sanitizer(void);

// Bytes of the window that a driver of this size carves payload and indirect tables from.
size_t cpeer_driver_window_bytes(uint32_t size);

// The shape of the buffer with a sequence number: segments to read and to write, of `CPEER_SEGMENT` bytes at most.
enum { CPEER_SEGMENT = 24, CPEER_SEGMENTS = 4 };
uint32_t cpeer_readable_count(uint64_t sequence, uint32_t limit);
uint32_t cpeer_writable_count(uint64_t sequence, uint32_t limit);
// Bytes that a device writes of `capacity`: not always all of them.
uint32_t cpeer_written(uint64_t sequence, uint32_t capacity);

// Bytes `offset`… of the stream that belongs to a sequence number: the number first, then a pattern grown from it.
void cpeer_fill(uint8_t *bytes, size_t count, uint64_t sequence, size_t offset);
// The first of `count` bytes that differs from the stream, or `count`.
size_t cpeer_check(const uint8_t *bytes, size_t count, uint64_t sequence, size_t offset);

// Lets another thread run, for a thread that polls.
void cpeer_yield(void);

// Sums bytes eight at a time, for a test that wants to know whether anything changed.
uint64_t cpeer_sum(const uint8_t *bytes, size_t count);

#endif
