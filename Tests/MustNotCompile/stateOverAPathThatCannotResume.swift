// expect: requires that 'Mapper' conform to 'ResumableMapper'
import RingKit

func save<Mapper: DMAMapper & ~Copyable>(_ queue: inout SplitDriverQueue<Mapper>) throws -> QueueState {
  try queue.saveState { _ in nil }
}
