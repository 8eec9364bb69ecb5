// CRing: what Swift cannot say. Barriers, single-fetch access to shared memory, cache-aligned and node-bound
// memory, pinning, topology, other processes and the cycle counter. Errors come back as errno values, never as an
// abort.
#ifndef CRING_H
#define CRING_H

#include "cring/atomics.h"
#include "cring/barriers.h"
#include "cring/clock.h"
#include "cring/copy.h"
#include "cring/cpu.h"
#include "cring/dma_ops.h"
#include "cring/doorbell.h"
#include "cring/memory.h"
#include "cring/os/channel.h"
#include "cring/os/child.h"
#include "cring/os/event.h"
#include "cring/os/file.h"
#include "cring/os/futex.h"
#include "cring/os/passing.h"
#include "cring/os/random.h"
#include "cring/os/stream.h"
#include "cring/os/vfio.h"
#include "cring/os/window.h"
#include "cring/spinlock.h"
#include "cring/topology.h"

#endif
