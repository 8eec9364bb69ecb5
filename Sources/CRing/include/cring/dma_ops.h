// A device's table of DMA operations, called the way a kernel calls it: through a pointer the compiler cannot see
// through, plainly or by way of a retpoline. Stands for the DMA API on a platform without an IOMMU.
#ifndef CRING_DMA_OPS_H
#define CRING_DMA_OPS_H

#include <stdbool.h>
#include <stdint.h>

// What the operations know of the device: the highest address it reaches (Linux: min(dma_mask, bus_dma_limit)).
struct cring_dma_device {
  uint64_t limit;
};

#define CRING_DMA_MAPPING_ERROR UINT64_MAX

typedef uint64_t (*cring_dma_map_fn)(const struct cring_dma_device *device, uint64_t address, uint64_t length,
                                     uint32_t direction);
typedef void (*cring_dma_unmap_fn)(const struct cring_dma_device *device, uint64_t address, uint64_t length,
                                   uint32_t direction);

struct cring_dma_ops {
  cring_dma_map_fn map;
  cring_dma_unmap_fn unmap;
};

// The identity operations: the bus address is the physical address; beyond the limit is a mapping error.
const struct cring_dma_ops *cring_dma_identity_ops(void);

static inline uint64_t cring_dma_map(const struct cring_dma_ops *ops, const struct cring_dma_device *device,
                                     uint64_t address, uint64_t length, uint32_t direction) {
  return ops->map(device, address, length, direction);
}

static inline void cring_dma_unmap(const struct cring_dma_ops *ops, const struct cring_dma_device *device,
                                   uint64_t address, uint64_t length, uint32_t direction) {
  ops->unmap(device, address, length, direction);
}

// True where the retpoline is built (x86-64 only; other machines mitigate differently).
bool cring_has_retpoline(void);

// The same calls with the target reached by a return that the branch predictor cannot be trained on.
uint64_t cring_dma_map_retpoline(const struct cring_dma_device *device, uint64_t address, uint64_t length,
                                 uint32_t direction, cring_dma_map_fn target);
void cring_dma_unmap_retpoline(const struct cring_dma_device *device, uint64_t address, uint64_t length,
                               uint32_t direction, cring_dma_unmap_fn target);

#endif
