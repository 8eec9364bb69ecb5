// Linux's virtio_ring.c as the driver, and a device in C that polls, takes batches and looks at the payload as
// ringbench's device does. Three ways to the device: without the DMA API, with it (direct mapping), with it and swiotlb
// forced.
#include <linux/swiotlb.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "cringbench/payload.h"
#include "slices.h"

enum { queue_size = 256 };

struct kring {
  struct virtio_device virtio;
  struct device parent;
  u64 mask;
  struct virtqueue *queue;
  bool is_packed, is_writable, is_touched, looks_at_events;
  u32 bytes, depth, batch, stride;
  char *payload;
  struct scatterlist *lists;
  struct {
    u64 added, returned;
  } driver __attribute__((aligned(128)));
  struct {
    struct vring ring;
    struct vring_packed_desc *descriptors;
    u64 served;
    u16 next;
    bool wrap;
  } device __attribute__((aligned(128)));
};

// As kernel/dma/mapping.c and direct.h: one call out of line, then inline.
__attribute__((noinline)) dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset,
                                                        size_t size, enum dma_data_direction direction,
                                                        unsigned long attrs) {
  phys_addr_t address = page_to_phys(page) + offset;
  if (is_swiotlb_force_bounce(dev)) return swiotlb_map(dev, address, size, direction, attrs);
  if (unlikely(!dma_capable(dev, address, size, true))) abort();
  return address;
}

__attribute__((noinline)) void dma_unmap_page_attrs(struct device *dev, dma_addr_t address, size_t size,
                                                    enum dma_data_direction direction, unsigned long attrs) {
  if (unlikely(is_swiotlb_buffer(dev, address))) {
    swiotlb_sync_single_for_cpu(dev, address, size, direction);
    swiotlb_tbl_unmap_single(dev, address, size, direction, attrs | DMA_ATTR_SKIP_CPU_SYNC);
  }
}

static bool never(struct virtqueue *queue) { return true; }

static void wrong(const char *what) {
  fprintf(stderr, "kring: %s\n", what);
  exit(1);
}

// All that is there is taken back, then the ring is topped up, a batch at a time: as ringbench's driver does.
static void drive(void *state, u64 count) {
  struct kring *k = state;
  const u64 target = k->driver.returned + count;
  u64 added = k->driver.added, returned = k->driver.returned;
  while (returned != target) {
    unsigned length;
    void *token;
    while (returned != added && (token = virtqueue_get_buf(k->queue, &length))) {
      if ((u64)(uintptr_t)token != returned + 1) wrong("a buffer came back out of turn");
      if (k->is_writable && k->is_touched &&
          !crb_check(k->payload + (returned & (k->depth - 1)) * k->stride, k->bytes, returned))
        wrong("a byte is not as the device wrote it");
      returned++;
    }
    while (added != target) {
      u64 wanted = min(target - added, (u64)k->batch);
      if (added - returned + wanted > k->depth) break;
      for (u64 i = 0; i < wanted; i++, added++) {
        u32 place = added & (k->depth - 1);
        char *buffer = k->payload + place * k->stride;
        if (!k->is_writable && k->is_touched) crb_fill(buffer, k->bytes, added);
        struct scatterlist *list = &k->lists[place];
        sg_init_one(list, buffer, k->bytes);
        void *data = (void *)(uintptr_t)(added + 1);
        int failed = k->is_writable ? virtqueue_add_inbuf(k->queue, list, 1, data, GFP_ATOMIC)
                                    : virtqueue_add_outbuf(k->queue, list, 1, data, GFP_ATOMIC);
        if (failed) wrong("the ring is full");
      }
      if (k->looks_at_events && virtqueue_kick_prepare(k->queue)) wrong("the device asked for a kick");
    }
  }
  k->driver.added = added, k->driver.returned = returned;
}

static inline void look(struct kring *k, u64 address, u32 length, u64 number) {
  if (!k->is_touched) return;
  if (length != k->bytes) wrong("a descriptor has another length");
  if (k->is_writable)
    crb_fill((void *)(uintptr_t)address, length, number);
  else if (!crb_check((void *)(uintptr_t)address, length, number))
    wrong("a byte is not as the driver wrote it");
}

static void serve_split(struct kring *k, u64 target) {
  struct vring *ring = &k->device.ring;
  const u16 mask = queue_size - 1;
  u64 served = k->device.served;
  while (served != target) {
    u16 ready = (u16)(__atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE) - (u16)served);
    if (ready == 0) continue;
    if (ready > k->batch) ready = k->batch;
    for (u16 i = 0; i < ready; i++, served++) {
      u16 head = READ_ONCE(ring->avail->ring[served & mask]);
      struct vring_desc *descriptor = &ring->desc[head & mask];
      u32 length = READ_ONCE(descriptor->len);
      look(k, READ_ONCE(descriptor->addr), length, served);
      WRITE_ONCE(ring->used->ring[served & mask].id, head);
      WRITE_ONCE(ring->used->ring[served & mask].len, k->is_writable ? length : 0);
    }
    __atomic_store_n(&ring->used->idx, (u16)served, __ATOMIC_RELEASE);
    if (k->looks_at_events) {
      virt_mb();
      if (!(READ_ONCE(ring->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT)) wrong("the driver asked for an interrupt");
    }
  }
  k->device.served = served;
}

static void serve_packed(struct kring *k, u64 target) {
  const u16 available = 1 << VRING_PACKED_DESC_F_AVAIL, used = 1 << VRING_PACKED_DESC_F_USED;
  u64 served = k->device.served;
  u16 next = k->device.next;
  bool wrap = k->device.wrap;
  while (served != target) {
    u16 first = next, first_flags = 0, n = 0;
    for (; n < k->batch && served != target; n++, served++) {
      struct vring_packed_desc *descriptor = &k->device.descriptors[next];
      u16 flags = __atomic_load_n(&descriptor->flags, __ATOMIC_ACQUIRE);
      if ((flags & (available | used)) != (wrap ? available : used)) break;
      u32 length = READ_ONCE(descriptor->len);
      look(k, READ_ONCE(descriptor->addr), length, served);
      // The identifier stays where it is: the driver's buffers come back in the order they were added.
      WRITE_ONCE(descriptor->len, k->is_writable ? length : 0);
      flags = (wrap ? available | used : 0) | (k->is_writable ? VRING_DESC_F_WRITE : 0);
      // The first one's flags last: the batch is there with one store.
      if (n == 0)
        first_flags = flags;
      else
        WRITE_ONCE(descriptor->flags, flags);
      if (++next == queue_size) next = 0, wrap = !wrap;
    }
    if (n == 0) continue;
    __atomic_store_n(&k->device.descriptors[first].flags, first_flags, __ATOMIC_RELEASE);
    if (k->looks_at_events) virt_mb();
  }
  k->device.served = served, k->device.next = next, k->device.wrap = wrap;
}

static void serve(void *state, u64 count) {
  struct kring *k = state;
  if (k->is_packed)
    serve_packed(k, k->device.served + count);
  else
    serve_split(k, k->device.served + count);
}

static void make(struct peer *peer, bool is_packed, const char *path, u32 bytes, bool is_writable, bool is_touched,
                 u32 depth, u32 batch) {
  struct kring *k = aligned_alloc(128, ALIGN(sizeof *k, 128));
  memset(k, 0, sizeof *k);
  k->is_packed = is_packed, k->is_writable = is_writable, k->is_touched = is_touched;
  // As `ringbench cost` does, and `ringbench ring` does not.
  k->looks_at_events = depth != 1 && depth != queue_size;
  k->bytes = bytes, k->depth = depth, k->batch = batch;
  for (k->stride = 64; k->stride < bytes;) k->stride *= 2;
  k->payload = peers_allocate((size_t)depth * k->stride);
  k->lists = peers_allocate(depth * sizeof *k->lists);
  k->mask = ~0ull;
  k->parent = (struct device){NULL, &k->mask, 0, strcmp(path, "swiotlb") == 0 ? &io_tlb_default_mem : NULL};
  k->virtio.dev.parent = &k->parent;
  k->virtio.vqs.next = k->virtio.vqs.prev = &k->virtio.vqs;
  k->virtio.features = 1ull << VIRTIO_F_VERSION_1;
  if (is_packed) k->virtio.features |= 1ull << VIRTIO_F_RING_PACKED;
  if (strcmp(path, "direct") != 0) k->virtio.features |= 1ull << VIRTIO_F_ACCESS_PLATFORM;
  k->queue = vring_create_virtqueue(0, queue_size, 4096, &k->virtio, true, false, false, never, NULL, "kring");
  virtqueue_disable_cb(k->queue);
  const struct vring *ring = virtqueue_get_vring(k->queue);
  if (is_packed) {
    k->device.descriptors = phys_to_virt(virtqueue_get_desc_addr(k->queue));
    k->device.wrap = true;
    // The device's area, behind the driver's: no kicks.
    struct vring_packed_desc_event *event = phys_to_virt(virtqueue_get_used_addr(k->queue));
    event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
  } else {
    k->device.ring = *ring;
    ring->used->flags = VRING_USED_F_NO_NOTIFY;
  }
  snprintf(peer->name, sizeof peer->name, "%s %s %s %u %s batch %u depth %u", is_packed ? "packed" : "split", path,
           is_writable ? "device-writable" : "device-readable", bytes, is_touched ? "full" : "none", batch, depth);
  peer->drive = drive, peer->serve = serve, peer->state = k, peer->warm_up = queue_size;
}

int main(int argc, char **argv) {
  static struct peer peers[64];
  int count = 0;
  swiotlb_init(true, SWIOTLB_FORCE);
  const u32 sizes[] = {64, 1500, 4096}, outstanding[][2] = {{1, 1}, {1, queue_size}, {32, queue_size}};
  const char *paths[] = {"direct", "identity", "swiotlb"};
  for (int packed = 0; packed < 2; packed++) {
    for (int i = 0; i < 3; i++)
      make(&peers[count++], packed, "direct", 64, false, false, outstanding[i][1], outstanding[i][0]);
    for (int path = 0; path < 3; path++)
      for (int size = 0; size < (path == 1 ? 1 : 3); size++)
        for (int writable = 0; writable < 2; writable++)
          make(&peers[count++], packed, paths[path], sizes[size], writable, true, 128, 32);
    for (int path = 0; path < 3; path += 2)
      for (int writable = 0; writable < 2; writable++)
        make(&peers[count++], packed, paths[path], 64, writable, false, 128, 32);
  }
  return peers_serve(peers, count, argc > 1 ? argv[1] : "0,1");
}
