#include "cring/dma_ops.h"

static uint64_t identity_map(const struct cring_dma_device *device, uint64_t address, uint64_t length,
                             uint32_t direction) {
  (void)direction;
  uint64_t last;
  if (length == 0 || __builtin_add_overflow(address, length - 1, &last) || last > device->limit)
    return CRING_DMA_MAPPING_ERROR;
  return address;
}

static void identity_unmap(const struct cring_dma_device *device, uint64_t address, uint64_t length,
                           uint32_t direction) {
  (void)device, (void)address, (void)length, (void)direction;
  // A coherent platform has nothing to undo; the call itself is what costs.
  __asm__ __volatile__("" ::: "memory");
}

static const struct cring_dma_ops identity_ops = {identity_map, identity_unmap};

const struct cring_dma_ops *cring_dma_identity_ops(void) {
  const struct cring_dma_ops *ops = &identity_ops;
  // Hides where the table came from, so that no optimiser turns the indirect call into a direct one.
  __asm__ __volatile__("" : "+r"(ops));
  return ops;
}

#if defined(__x86_64__)
bool cring_has_retpoline(void) { return true; }

// The fifth argument (r8) is the target. A speculating CPU returns into the pause loop; the real return goes to r11.
__asm__(
    ".text\n"
    ".p2align 5\n"
    ".type cring_retpoline_r11,@function\n"
    "cring_retpoline_r11:\n"
    "  call 2f\n"
    "1: pause\n"
    "  lfence\n"
    "  jmp 1b\n"
    ".p2align 4\n"
    "2: movq %r11, (%rsp)\n"
    "  ret\n"
    ".size cring_retpoline_r11, .-cring_retpoline_r11\n"
    ".globl cring_dma_map_retpoline\n"
    ".type cring_dma_map_retpoline,@function\n"
    ".p2align 4\n"
    "cring_dma_map_retpoline:\n"
    "  movq %r8, %r11\n"
    "  jmp cring_retpoline_r11\n"
    ".size cring_dma_map_retpoline, .-cring_dma_map_retpoline\n"
    ".globl cring_dma_unmap_retpoline\n"
    ".type cring_dma_unmap_retpoline,@function\n"
    ".p2align 4\n"
    "cring_dma_unmap_retpoline:\n"
    "  movq %r8, %r11\n"
    "  jmp cring_retpoline_r11\n"
    ".size cring_dma_unmap_retpoline, .-cring_dma_unmap_retpoline\n");
#else
bool cring_has_retpoline(void) { return false; }

uint64_t cring_dma_map_retpoline(const struct cring_dma_device *device, uint64_t address, uint64_t length,
                                 uint32_t direction, cring_dma_map_fn target) {
  return target(device, address, length, direction);
}

void cring_dma_unmap_retpoline(const struct cring_dma_device *device, uint64_t address, uint64_t length,
                               uint32_t direction, cring_dma_unmap_fn target) {
  target(device, address, length, direction);
}
#endif
