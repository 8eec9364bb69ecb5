#define _GNU_SOURCE
#include <errno.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "CDeny.h"

static struct cdeny_vfio *fake;

void cdeny_answer_vfio(struct cdeny_vfio *state) { __atomic_store_n(&fake, state, __ATOMIC_RELEASE); }

static int refuse(int error) {
  errno = error;
  return -1;
}

// As drivers/vfio/pci/vfio_pci_intrs.c before Linux 6.4: what MSI-X has been switched on with cannot grow.
static int set_interrupts(struct cdeny_vfio *vfio, const struct vfio_irq_set *set) {
  if ((set->flags & VFIO_IRQ_SET_DATA_NONE) && set->count == 0) {
    if (vfio->vectors == 0) return refuse(EINVAL);
    vfio->vectors = 0;
    return 0;
  }
  if (!(set->flags & VFIO_IRQ_SET_DATA_EVENTFD) || set->count == 0 || set->count > CDENY_VFIO_VECTORS)
    return refuse(EINVAL);
  if (vfio->vectors == 0) {
    for (int i = 0; i < CDENY_VFIO_VECTORS; i++) vfio->eventfds[i] = -1;
    vfio->vectors = set->count;
  }
  if (set->start + set->count > vfio->vectors) return refuse(EINVAL);
  memcpy(vfio->eventfds + set->start, set->data, set->count * sizeof(int));
  return 0;
}

static int unmap(struct cdeny_vfio *vfio, struct vfio_iommu_type1_dma_unmap *unmap) {
  vfio->unmapped_from = unmap->iova;
  vfio->unmapped_bytes = unmap->size;
  unmap->size = 0;
  return 0;
}

// Replaces libc's, for all of the program.
int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  struct cdeny_vfio *vfio = __atomic_load_n(&fake, __ATOMIC_ACQUIRE);
  if (vfio && fd == vfio->fd) {
    if (request == VFIO_DEVICE_SET_IRQS) return set_interrupts(vfio, argument);
    if (request == VFIO_IOMMU_UNMAP_DMA) return unmap(vfio, argument);
  }
  return (int)syscall(SYS_ioctl, fd, request, argument);
}
