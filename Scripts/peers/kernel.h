// What drivers/virtio/virtio_ring.c and kernel/dma/swiotlb.c of Linux 6.1 need in user space, included before each of
// them in place of the kernel's headers. Physical, virtual and bus addresses are the same number; spinlocks are taken;
// barriers are those of an x86-64 or arm64 kernel with SMP.
#ifndef PEERS_KERNEL_H
#define PEERS_KERNEL_H

#include <assert.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8, __u8;
typedef uint16_t u16, __u16, __le16, __virtio16;
typedef uint32_t u32, __u32, __le32, __virtio32;
typedef uint64_t u64, __u64, __le64, __virtio64;
typedef int16_t s16;
typedef unsigned gfp_t;
typedef u64 dma_addr_t, phys_addr_t;
typedef long ktime_t;

// Compiler and memory.
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define data_race(x) (x)
#define barrier() __asm__ __volatile__("" ::: "memory")
#if defined(__x86_64__)
#define virt_mb() __asm__ __volatile__("lock; addl $0,-4(%%rsp)" ::: "memory", "cc")
#define virt_rmb() barrier()
#define virt_wmb() barrier()
#define virt_store_mb(var, value) ((void)__atomic_exchange_n(&(var), (value), __ATOMIC_SEQ_CST))
#define cpu_relax() __builtin_ia32_pause()
#else
#define virt_mb() __asm__ __volatile__("dmb ish" ::: "memory")
#define virt_rmb() __asm__ __volatile__("dmb ishld" ::: "memory")
#define virt_wmb() __asm__ __volatile__("dmb ishst" ::: "memory")
#define virt_store_mb(var, value) (WRITE_ONCE(var, value), virt_mb())
#define cpu_relax() __asm__ __volatile__("yield")
#endif
#define mb() virt_mb()
#define dma_rmb() virt_rmb()
#define dma_wmb() virt_wmb()

// Language.
#define CONFIG_SMP 1
#define CONFIG_SWIOTLB 1
#define __init
#define __maybe_unused __attribute__((unused))
#define EXPORT_SYMBOL_GPL(x)
#define MODULE_LICENSE(x)
#define early_param(name, function) const void *const unused_##function = (const void *)function
#define DEFINE_DEBUGFS_ATTRIBUTE(name, get, set, format) const void *const name = (const void *)get
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define U16_MAX 0xffff
#define BITS_PER_LONG 64
#define ALIGN(x, a) (((x) + (a)-1) & ~((__typeof__(x))(a)-1))
#define DIV_ROUND_UP(x, n) (((x) + (n)-1) / (n))
#define rounddown(x, n) ((x) / (n) * (n))
#define roundup(x, n) (((x) + (n)-1) / (n) * (n))
#define min(x, y) ((x) < (y) ? (x) : (y))
#define max(x, y) ((x) > (y) ? (x) : (y))
#define min_t(type, x, y) min((type)(x), (type)(y))
#define array_size(a, b) ((size_t)(a) * (b))
#define is_power_of_2(x) ((x) != 0 && ((x) & ((x)-1)) == 0)
static inline unsigned long roundup_pow_of_two(unsigned long x) {
  return x < 2 ? 1 : 1ul << (64 - __builtin_clzl(x - 1));
}

// Complaints: the one that a benchmark may meet ends it.
#define BUG() abort()
#define BUG_ON(x) ((void)(unlikely(x) ? abort() : (void)0))
#define WARN_ON(x)                                                   \
  ({                                                                 \
    bool warn = (x);                                                 \
    if (unlikely(warn)) fprintf(stderr, "kring: WARN_ON(%s)\n", #x); \
    warn;                                                            \
  })
#define WARN_ON_ONCE(x) WARN_ON(x)
#define peers_say(format, ...) fprintf(stderr, "kring: " format, ##__VA_ARGS__)
#define dev_err(dev, ...) peers_say(__VA_ARGS__)
#define dev_warn(dev, ...) peers_say(__VA_ARGS__)
#define dev_warn_once(dev, ...) peers_say(__VA_ARGS__)
#define dev_warn_ratelimited(dev, ...) peers_say(__VA_ARGS__)
#define dev_WARN_ONCE(dev, x, ...) peers_say(__VA_ARGS__)
#define dev_dbg(dev, ...) ((void)0)
#define pr_warn(...) ((void)0)
#define pr_info(...) ((void)0)
#define pr_err(...) ((void)0)
#define pr_debug(...) ((void)0)
#define pr_warn_once(...) ((void)0)

// Pages and memory.
#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x) ALIGN((unsigned long)(x), PAGE_SIZE)
#define SMP_CACHE_BYTES 64
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#define GFP_KERNEL 0
#define GFP_ATOMIC 0
#define __GFP_NOWARN 0
#define __GFP_ZERO 0
#define __GFP_HIGHMEM 0
struct page;
struct dentry;
#define virt_to_phys(p) ((phys_addr_t)(uintptr_t)(p))
#define phys_to_virt(p) ((void *)(uintptr_t)(p))
#define __pa(p) virt_to_phys(p)
#define page_to_phys(p) virt_to_phys(p)
#define pfn_to_page(n) ((struct page *)((uintptr_t)(n) << PAGE_SHIFT))
#define virt_to_page(p) ((struct page *)((uintptr_t)(p)&PAGE_MASK))
#define offset_in_page(p) ((uintptr_t)(p) & ~PAGE_MASK)
static inline void *peers_allocate(size_t size) {
  void *memory = NULL;
  size_t alignment = size >= PAGE_SIZE ? PAGE_SIZE : 64;
  if (posix_memalign(&memory, alignment, ALIGN(size, alignment)) != 0) abort();
  return memset(memory, 0, ALIGN(size, alignment));
}
#define kmalloc(size, flags) peers_allocate(size)
#define kzalloc(size, flags) peers_allocate(size)
#define kmalloc_array(n, size, flags) peers_allocate((size_t)(n) * (size))
#define kcalloc(n, size, flags) peers_allocate((size_t)(n) * (size))
#define kfree(p) free((void *)(p))
#define alloc_pages_exact(size, flags) peers_allocate(size)
#define free_pages_exact(p, size) free(p)
#define memblock_alloc(size, alignment) peers_allocate(size)
#define memblock_alloc_low(size, alignment) peers_allocate(size)
#define memblock_free(p, size) free(p)
#define memblock_free_late(p, size) ((void)0)
#define __get_free_pages(flags, order) ((unsigned long)peers_allocate(PAGE_SIZE << (order)))
#define free_pages(p, order) free((void *)(p))
static inline int get_order(size_t size) {
  int order = 0;
  while ((PAGE_SIZE << order) < size) order++;
  return order;
}

// Locks.
typedef char spinlock_t;
static inline void spin_lock(spinlock_t *lock) {
  while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) cpu_relax();
}
static inline void spin_unlock(spinlock_t *lock) { __atomic_store_n(lock, 0, __ATOMIC_RELEASE); }
#define spin_lock_init(lock) (*(lock) = 0)
#define spin_lock_irqsave(lock, flags) ((void)(flags), spin_lock(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), spin_unlock(lock))
#define local_irq_save(flags) ((void)(flags))
#define local_irq_restore(flags) ((void)(flags))

// Lists.
struct list_head {
  struct list_head *next, *prev;
};
#define list_for_each_entry(p, head, member) for ((p) = NULL; (p) != NULL;)
static inline void list_add_tail(struct list_head *entry, struct list_head *head) {
  entry->next = head, entry->prev = head->prev;
  head->prev->next = entry, head->prev = entry;
}
static inline void list_del(struct list_head *entry) {
  entry->prev->next = entry->next, entry->next->prev = entry->prev;
}

// Devices and the DMA API, as include/linux/device.h and kernel/dma have it for a coherent device of 64 bits.
enum dma_data_direction { DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE };
#define DMA_MAPPING_ERROR (~(dma_addr_t)0)
#define DMA_ATTR_SKIP_CPU_SYNC 32
#define DMA_ATTR_NO_WARN 256
struct device {
  struct device *parent;
  u64 *dma_mask;
  u64 bus_dma_limit;
  struct io_tlb_mem *dma_io_tlb_mem;
};
dma_addr_t dma_map_page_attrs(struct device *dev, struct page *page, size_t offset, size_t size,
                              enum dma_data_direction direction, unsigned long attrs);
void dma_unmap_page_attrs(struct device *dev, dma_addr_t address, size_t size, enum dma_data_direction direction,
                          unsigned long attrs);
#define dma_map_page(d, p, o, s, dir) dma_map_page_attrs(d, p, o, s, dir, 0)
#define dma_map_single(d, p, s, dir) dma_map_page_attrs(d, virt_to_page(p), offset_in_page(p), s, dir, 0)
#define dma_unmap_page(d, a, s, dir) dma_unmap_page_attrs(d, a, s, dir, 0)
#define dma_unmap_single(d, a, s, dir) dma_unmap_page_attrs(d, a, s, dir, 0)
#define dma_map_single_attrs(d, p, s, dir, attrs) \
  dma_map_page_attrs(d, virt_to_page(p), offset_in_page(p), s, dir, attrs)
#define dma_unmap_single_attrs(d, a, s, dir, attrs) dma_unmap_page_attrs(d, a, s, dir, attrs)
#define dma_need_sync(d, a) false
#define dma_sync_single_range_for_cpu(...) ((void)0)
#define dma_sync_single_range_for_device(...) ((void)0)
#define dma_mapping_error(d, a) ((a) == DMA_MAPPING_ERROR)
#define dma_alloc_coherent(d, size, handle, flags) \
  ({                                               \
    void *memory = peers_allocate(size);           \
    *(handle) = virt_to_phys(memory);              \
    memory;                                        \
  })
#define dma_free_coherent(d, size, p, handle) free(p)
#define dma_max_mapping_size(d) ((size_t)-1)
#define dma_get_min_align_mask(d) 0u
#define dma_get_seg_boundary(d) 0xfffffffful
#define phys_to_dma(d, p) (p)
#define phys_to_dma_unencrypted(d, p) (p)
#define dma_capable(d, a, s, ram) ((a) + (s)-1 <= *(d)->dma_mask)
#define dev_is_dma_coherent(d) true
#define arch_sync_dma_for_device(a, s, d) ((void)0)

#define PageHighMem(page) false
#define memcpy_from_page(to, page, offset, size) memcpy(to, (char *)(page) + (offset), size)
#define memcpy_to_page(page, offset, from, size) memcpy((char *)(page) + (offset), from, size)
#define kmsan_unpoison_memory(p, size) ((void)0)
#define kmsan_handle_dma(page, offset, size, direction) ((void)0)
#define trace_swiotlb_bounced(...) ((void)0)
#define cc_platform_has(x) false
#define set_memory_decrypted(p, n) ((void)0)
#define set_memory_encrypted(p, n) ((void)0)
#define simple_strtoul strtoul
#define num_possible_cpus() 1
#define raw_smp_processor_id() 0
#define debugfs_create_dir(...) NULL
#define debugfs_create_ulong(...) ((void)0)
#define debugfs_create_file(...) ((void)0)
#define xen_domain() false

// Scatter lists of one entry each.
struct scatterlist {
  unsigned long page_link;
  unsigned offset, length;
  dma_addr_t dma_address;
};
#define sg_page(sg) ((struct page *)((sg)->page_link & ~3ul))
#define sg_phys(sg) (page_to_phys(sg_page(sg)) + (sg)->offset)
static inline struct scatterlist *sg_next(struct scatterlist *sg) { return sg->page_link & 2 ? NULL : sg + 1; }
static inline void sg_init_one(struct scatterlist *sg, const void *buffer, unsigned length) {
  *sg = (struct scatterlist){(unsigned long)virt_to_page(buffer) | 2, offset_in_page(buffer), length, 0};
}

// virtio.
typedef int irqreturn_t;
enum { IRQ_NONE, IRQ_HANDLED };
struct virtqueue;
struct virtio_device;
struct virtio_config_ops {
  int (*disable_vq_and_reset)(struct virtqueue *vq);
  int (*enable_vq_after_reset)(struct virtqueue *vq);
};
struct virtio_device {
  struct device dev;
  u64 features;
  struct list_head vqs;
  spinlock_t vqs_list_lock;
  const struct virtio_config_ops *config;
};
struct virtqueue {
  struct list_head list;
  void (*callback)(struct virtqueue *vq);
  const char *name;
  struct virtio_device *vdev;
  unsigned index, num_free, num_max;
  bool reset;
  void *priv;
};
#define virtio_has_feature(device, bit) (((device)->features >> (bit)) & 1)
#define __virtio_clear_bit(device, bit) ((device)->features &= ~(1ull << (bit)))
#define virtio_has_dma_quirk(device) (!virtio_has_feature(device, 33))
#define cpu_to_virtio16(d, v) htole16(v)
#define cpu_to_virtio32(d, v) htole32(v)
#define cpu_to_virtio64(d, v) htole64(v)
#define virtio16_to_cpu(d, v) le16toh(v)
#define virtio32_to_cpu(d, v) le32toh(v)
#define virtio64_to_cpu(d, v) le64toh(v)
#define cpu_to_le16(v) htole16(v)
#define cpu_to_le32(v) htole32(v)
#define cpu_to_le64(v) htole64(v)
#define le16_to_cpu(v) le16toh(v)
#define le32_to_cpu(v) le32toh(v)
#define le64_to_cpu(v) le64toh(v)
int virtqueue_add_outbuf(struct virtqueue *vq, struct scatterlist *sg, unsigned count, void *data, gfp_t flags);
int virtqueue_add_inbuf(struct virtqueue *vq, struct scatterlist *sg, unsigned count, void *data, gfp_t flags);
bool virtqueue_kick(struct virtqueue *vq);
bool virtqueue_kick_prepare(struct virtqueue *vq);
void *virtqueue_get_buf(struct virtqueue *vq, unsigned *length);
void virtqueue_disable_cb(struct virtqueue *vq);
const struct vring *virtqueue_get_vring(struct virtqueue *vq);
dma_addr_t virtqueue_get_desc_addr(struct virtqueue *vq);
dma_addr_t virtqueue_get_used_addr(struct virtqueue *vq);

#endif
