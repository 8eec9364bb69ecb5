// expect: 'mapper' is inaccessible due to 'package' protection level
import RingKit

func replace(_ queue: inout SplitDriverQueue<DirectMapper<UncountedWork>>, _ memory: GuestMemory) {
  queue.mapper = DirectMapper(memory)
}
