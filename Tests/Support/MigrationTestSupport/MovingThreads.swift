internal import Glibc
internal import RingKit
package import RingKitTesting
internal import Synchronization

/// Both ends of a queue on threads of their own, stopped at any moment.
package final class MovingThreads: Sendable {
  private let device: MovingDevice
  private let driver: MovingDriver
  private let isOver = Atomic<Bool>(false)
  private let driverIsDone = Atomic<Bool>(false)
  private let failure = Mutex<String?>(nil)

  /// The ends of `queue`, which no other thread touches meanwhile.
  package init(_ queue: MovingQueue) {
    device = queue.device
    driver = queue.driver
  }

  /// Runs both until `completed` buffers have come back, and then stops each between two of its calls.
  ///
  /// Three times in four the driver stops only once it has something in flight: left to the scheduler, on a busy
  /// machine its queue is mostly found empty.
  package func run(until completed: UInt64, _ random: inout SeededGenerator) throws {
    let seeds = (random.next(), random.next())
    let isLoaded = Int.random(in: 0..<4, using: &random) != 0
    let driving = TestThread { [self] in
      attempt {
        var random = SeededGenerator(seed: seeds.0)
        while driver.load.completed < completed || (isLoaded && driver.inFlight == 0), !isOver.load(ordering: .relaxed)
        {
          try driver.step(&random)
          sched_yield()
        }
      }
      driverIsDone.store(true, ordering: .releasing)
    }
    let serving = TestThread { [self] in
      attempt {
        var random = SeededGenerator(seed: seeds.1)
        // A driver that unmaps waits for the device to serve its IOMMU.
        while !driverIsDone.load(ordering: .acquiring) {
          try device.step(&random)
          sched_yield()
        }
      }
      isOver.store(true, ordering: .relaxed)
    }
    driving.join()
    serving.join()
    if let text = failure.withLock({ $0 }) { throw MovingError(text) }
  }

  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch {
      failure.withLock { $0 = $0 ?? "\(error)" }
      isOver.store(true, ordering: .relaxed)
    }
  }
}
