// expect: cannot find 'SharedMemory' in scope
import RingKit

func store(_ region: MemoryRegion) { SharedMemory(region.hostBase, byteCount: 8).store64(0, 0) }
