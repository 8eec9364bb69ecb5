// expect: 'mapper' is inaccessible due to 'package' protection level
import RingKit

func replace(_ queue: inout SplitDriverQueue<DirectMapper<NoWork>>, _ memory: GuestMemory) {
  queue.mapper = DirectMapper(memory)
}
