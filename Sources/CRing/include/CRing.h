// CRing: what Swift cannot say. Barriers, single-fetch access to shared memory, cache-aligned and node-bound
// memory, pinning, topology, other processes and the cycle counter. Errors come back as errno values, never as an abort.
#ifndef CRING_H
#define CRING_H

#include "cring/atomics.h"
#include "cring/barriers.h"
#include "cring/channel.h"
#include "cring/child.h"
#include "cring/clock.h"
#include "cring/copy.h"
#include "cring/cpu.h"
#include "cring/dma_ops.h"
#include "cring/doorbell.h"
#include "cring/file.h"
#include "cring/futex.h"
#include "cring/memory.h"
#include "cring/passing.h"
#include "cring/spinlock.h"
#include "cring/stream.h"
#include "cring/topology.h"
#include "cring/vfio.h"
#include "cring/window.h"

#endif
