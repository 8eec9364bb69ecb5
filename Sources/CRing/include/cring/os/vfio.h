// A PCI device in this process's hands through VFIO (linux/vfio.h): its registers, and what of our memory it can reach.
#ifndef CRING_VFIO_H
#define CRING_VFIO_H

#include <stddef.h>
#include <stdint.h>

#include "cring/barriers.h"

// What failed to be done, for a message that says what to do about it.
enum cring_vfio_stage {
  CRING_VFIO_NO_DEVICE = 0,   // no such PCI device
  CRING_VFIO_NO_IOMMU = 1,    // it is in no IOMMU group
  CRING_VFIO_CONTAINER = 2,   // /dev/vfio/vfio cannot be opened
  CRING_VFIO_NO_TYPE1 = 3,    // the container knows no type 1 IOMMU, or another interface version
  CRING_VFIO_GROUP = 4,       // the group's file cannot be opened
  CRING_VFIO_NOT_VIABLE = 5,  // another device of the group has a driver of the host
  CRING_VFIO_ATTACH = 6,      // the group or the IOMMU does not go into the container
  CRING_VFIO_HAND_OUT = 7,    // the device is not handed out
};

struct cring_vfio {
  int container, group, device;
  unsigned group_number;
};

// Opens the device with a PCI address (0000:00:03.0), in its group and a container of its own. Returns 0, or an errno
// and the stage; `out->group_number` is set once it is known.
int cring_vfio_open(const char *address, struct cring_vfio *out, enum cring_vfio_stage *stage);
void cring_vfio_close(struct cring_vfio *vfio);

// Shows `bytes` at `at` to the device at `iova`, page-aligned all three; they are pinned. Returns 0 or errno.
int cring_vfio_map(int container, void *at, size_t bytes, uint64_t iova, int device_reads, int device_writes);

// Takes it away: when this returns, the IOMMU lets nothing through there. Returns 0, CRING_VFIO_NOT_THERE where not
// that many bytes were shown, or another errno.
#define CRING_VFIO_NOT_THERE 5
int cring_vfio_unmap(int container, uint64_t iova, size_t bytes);

// Takes away all that is shown from `iova` on in `bytes` bytes, or nothing where nothing is. Returns 0 or errno: EINVAL
// where something lies there in part.
int cring_vfio_unmap_all(int container, uint64_t iova, size_t bytes);

// A region: 0 to 5 are the BARs, CRING_VFIO_CONFIG is the configuration space.
enum { CRING_VFIO_CONFIG = 7 };
int cring_vfio_region(int device, uint32_t index, uint64_t *offset, uint64_t *bytes, int *can_map);

// Registers of 1, 2 or 4 bytes at a file offset, in one access each. Returns 0 or errno.
int cring_vfio_read(int device, uint64_t offset, uint32_t bytes, uint32_t *value);
int cring_vfio_write(int device, uint64_t offset, uint32_t bytes, uint32_t value);

// Maps the pages of a BAR that hold a register of `bytes` at `offset`, a multiple of its size. Returns 0 or errno.
int cring_vfio_map_registers(int device, uint64_t offset, size_t bytes, void **base, size_t *mapped, size_t *lead);
void cring_vfio_unmap_registers(void *base, size_t mapped);

// A store to a register that the compiler does not move or merge, behind everything stored before: as Linux's writew,
// whose barrier is `dmb oshst` on arm64. On x86-64 it orders non-temporal stores and write-combining memory too.
static inline void cring_vfio_kick16(void *at, uint16_t value) {
  cring_device_release();
  *(volatile uint16_t *)at = value;
}

// How many MSI-X vectors the device has; 0: none. Returns 0 or errno.
int cring_vfio_interrupts(int device, uint32_t *count);
// Has the first `count` vectors ring the eventfds, and no other; count 0: none. Returns 0 or errno, EINVAL beyond
// CRING_VFIO_VECTORS; with any other errno no vector rings.
enum { CRING_VFIO_VECTORS = 128 };
int cring_vfio_connect_interrupts(int device, const int *eventfds, uint32_t count);

// Resets the device's function. Returns 0, or errno: ENOTTY where it has no such reset.
int cring_vfio_reset(int device);

#endif
