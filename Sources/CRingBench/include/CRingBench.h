// What only the benchmark needs from C: payloads, the core-to-core probe, the interrupt flag, a look at the hardware
// counters. No part of the library product.
#ifndef CRINGBENCH_H
#define CRINGBENCH_H

#include "cringbench/arguments.h"
#include "cringbench/floor.h"
#include "cringbench/interrupt.h"
#include "cringbench/machine.h"
#include "cringbench/payload.h"
#include "cringbench/probe.h"

#endif
