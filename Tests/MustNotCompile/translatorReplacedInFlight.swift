// expect: 'core' is inaccessible due to 'package' protection level
import RingKit

func replace(_ queue: inout PackedDeviceQueue<RegionTranslator<UncountedWork>>, _ memory: GuestMemory) {
  queue.core.translator = RegionTranslator(memory: memory, counter: UncountedWork())
}
