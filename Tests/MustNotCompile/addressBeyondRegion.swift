// expect: unsafe constructs
import RingKit

func beyond(_ region: MemoryRegion) -> HostAddress { region.hostBase.advanced(by: 1 << 40) }
