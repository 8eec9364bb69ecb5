#define _GNU_SOURCE
#include "cring/os/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(CRING_VFIO_NOT_THERE == EIO, "an errno");
_Static_assert(CRING_VFIO_CONFIG == VFIO_PCI_CONFIG_REGION_INDEX, "the configuration space's region");

void cring_vfio_close(struct cring_vfio *vfio) {
  // The device first: a group with an open device stays in its container.
  if (vfio->device >= 0) close(vfio->device);
  if (vfio->group >= 0) close(vfio->group);
  if (vfio->container >= 0) close(vfio->container);
  vfio->device = vfio->group = vfio->container = -1;
}

static int give_up(struct cring_vfio *vfio, enum cring_vfio_stage at, enum cring_vfio_stage *stage, int error) {
  *stage = at;
  cring_vfio_close(vfio);
  return error ? error : EINVAL;
}

// The number of the IOMMU group a device is in.
static int find_group(const char *address, unsigned *group, enum cring_vfio_stage *stage) {
  char path[128], target[256];
  *stage = CRING_VFIO_NO_DEVICE;
  // Nothing but an address: no path that leads elsewhere.
  if (strspn(address, "0123456789abcdef:.") != strlen(address) || strlen(address) != 12) return EINVAL;
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s", address);
  if (access(path, F_OK)) return errno;
  *stage = CRING_VFIO_NO_IOMMU;
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/iommu_group", address);
  ssize_t n = readlink(path, target, sizeof target - 1);
  if (n < 0) return errno;
  target[n] = 0;
  const char *name = strrchr(target, '/');
  return name && sscanf(name, "/%u", group) == 1 ? 0 : EINVAL;
}

int cring_vfio_open(const char *address, struct cring_vfio *out, enum cring_vfio_stage *stage) {
  char group_path[32];
  *out = (struct cring_vfio){-1, -1, -1, 0};
  int e = find_group(address, &out->group_number, stage);
  if (e) return e;
  snprintf(group_path, sizeof group_path, "/dev/vfio/%u", out->group_number);
  out->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
  if (out->container < 0) return give_up(out, CRING_VFIO_CONTAINER, stage, errno);
  if (ioctl(out->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
      ioctl(out->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
    return give_up(out, CRING_VFIO_NO_TYPE1, stage, EOPNOTSUPP);
  out->group = open(group_path, O_RDWR | O_CLOEXEC);
  if (out->group < 0) return give_up(out, CRING_VFIO_GROUP, stage, errno);
  struct vfio_group_status status = {.argsz = sizeof status};
  if (ioctl(out->group, VFIO_GROUP_GET_STATUS, &status)) return give_up(out, CRING_VFIO_GROUP, stage, errno);
  if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) return give_up(out, CRING_VFIO_NOT_VIABLE, stage, EBUSY);
  if (ioctl(out->group, VFIO_GROUP_SET_CONTAINER, &out->container) ||
      ioctl(out->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
    return give_up(out, CRING_VFIO_ATTACH, stage, errno);
  out->device = ioctl(out->group, VFIO_GROUP_GET_DEVICE_FD, address);
  if (out->device < 0) return give_up(out, CRING_VFIO_HAND_OUT, stage, errno);
  return 0;
}

int cring_vfio_map(int container, void *at, size_t bytes, uint64_t iova, int device_reads, int device_writes) {
  struct vfio_iommu_type1_dma_map map = {
      .argsz = sizeof map,
      .flags = (device_reads ? VFIO_DMA_MAP_FLAG_READ : 0u) | (device_writes ? VFIO_DMA_MAP_FLAG_WRITE : 0u),
      .vaddr = (uintptr_t)at,
      .iova = iova,
      .size = bytes,
  };
  return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? errno : 0;
}

int cring_vfio_unmap(int container, uint64_t iova, size_t bytes) {
  struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof unmap, .iova = iova, .size = bytes};
  if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap)) return errno;
  // The kernel says how much was there, and succeeds where nothing was.
  return unmap.size == bytes ? 0 : CRING_VFIO_NOT_THERE;
}

int cring_vfio_unmap_all(int container, uint64_t iova, size_t bytes) {
  struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof unmap, .iova = iova, .size = bytes};
  return ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? errno : 0;
}

int cring_vfio_region(int device, uint32_t index, uint64_t *offset, uint64_t *bytes, int *can_map) {
  struct vfio_region_info info = {.argsz = sizeof info, .index = index};
  if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info)) return errno;
  *offset = info.offset;
  *bytes = info.size;
  *can_map = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0;
  return 0;
}

int cring_vfio_read(int device, uint64_t offset, uint32_t bytes, uint32_t *value) {
  if (bytes != 1 && bytes != 2 && bytes != 4) return EINVAL;
  // Little endian on both sides: the low bytes are the register's.
  *value = 0;
  ssize_t n = pread(device, value, bytes, (off_t)offset);
  return n < 0 ? errno : n == (ssize_t)bytes ? 0 : EIO;
}

int cring_vfio_write(int device, uint64_t offset, uint32_t bytes, uint32_t value) {
  if (bytes != 1 && bytes != 2 && bytes != 4) return EINVAL;
  ssize_t n = pwrite(device, &value, bytes, (off_t)offset);
  return n < 0 ? errno : n == (ssize_t)bytes ? 0 : EIO;
}

int cring_vfio_map_registers(int device, uint64_t offset, size_t bytes, void **base, size_t *mapped, size_t *lead) {
  // The device says where its registers are, and a store across their alignment is a SIGBUS on arm64.
  if (offset % bytes != 0) return EINVAL;
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  uint64_t start = offset & ~(page - 1);
  *lead = (size_t)(offset - start);
  *mapped = (size_t)((*lead + bytes + page - 1) & ~(page - 1));
  void *at = mmap(NULL, *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)start);
  if (at == MAP_FAILED) return errno;
  *base = at;
  return 0;
}

void cring_vfio_unmap_registers(void *base, size_t mapped) { munmap(base, mapped); }

int cring_vfio_interrupts(int device, uint32_t *count) {
  struct vfio_irq_info info = {.argsz = sizeof info, .index = VFIO_PCI_MSIX_IRQ_INDEX};
  *count = 0;
  if (ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &info)) return errno;
  // Without the flag a vector cannot ring an eventfd.
  if (info.flags & VFIO_IRQ_INFO_EVENTFD) *count = info.count;
  return 0;
}

// Switches MSI-X off, all vectors of it.
static int disconnect_interrupts(int device) {
  struct vfio_irq_set none = {.argsz = sizeof none,
                              .index = VFIO_PCI_MSIX_IRQ_INDEX,
                              .flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE};
  // EINVAL is what the kernel says where it is off.
  return ioctl(device, VFIO_DEVICE_SET_IRQS, &none) && errno != EINVAL ? errno : 0;
}

int cring_vfio_connect_interrupts(int device, const int *eventfds, uint32_t count) {
  union {
    struct vfio_irq_set set;
    unsigned char bytes[sizeof(struct vfio_irq_set) + CRING_VFIO_VECTORS * sizeof(int32_t)];
  } request = {.set = {.index = VFIO_PCI_MSIX_IRQ_INDEX,
                       .flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD,
                       .count = count}};
  _Static_assert(sizeof(int) == sizeof(int32_t), "what the kernel takes an eventfd as");
  if (count > CRING_VFIO_VECTORS) return EINVAL;
  // With MSI-X on the kernel would change these vectors alone: it would leave others connected, and before Linux 6.4
  // refuse more than there were.
  int e = disconnect_interrupts(device);
  if (e || count == 0) return e;
  size_t bytes = count * sizeof(int32_t);
  request.set.argsz = (uint32_t)(offsetof(struct vfio_irq_set, data) + bytes);
  memcpy(request.bytes + offsetof(struct vfio_irq_set, data), eventfds, bytes);
  return ioctl(device, VFIO_DEVICE_SET_IRQS, &request.set) ? errno : 0;
}

int cring_vfio_reset(int device) { return ioctl(device, VFIO_DEVICE_RESET) ? errno : 0; }
