import Synchronization

/// How the driver's thread leads the device's from step to step.
///
/// The driver opens a step, the device takes it; while a slice runs the device looks at ``isSliceOver`` only when its
/// queue is empty. Where every queue has threads of its own the other drivers follow as well. No locks: all spin, because
/// all own their CPU.
final class SliceGate: Sendable {
  /// What the device's thread does next.
  enum Step: Equatable {
    case probe
    case slice(contender: Int)
    case finish
  }

  // Low 32 bits: number of the step; high 32 bits: what it is (0 finish, 1 probe, 2 + contender slice).
  private let step = Atomic<UInt64>(0)
  private let over = Atomic<Bool>(false)
  private let failed = Atomic<Bool>(false)
  // Steps that followers finished, all together.
  private let finishes = Atomic<UInt64>(0)
  // Steps that were opened; the driver's own.
  private let opened = Atomic<UInt64>(0)
  private let buffers = Atomic<Int>(0)
  private let driversDone = Atomic<Int>(0)
  private let followers: UInt64

  init(followers: Int = 1) { self.followers = UInt64(followers) }

  /// Driver: begins a step.
  ///
  /// The device has finished the one before (``waitUntilIdle()``).
  ///
  /// `buffers` is what each driver sends round in it.
  func open(_ next: Step, buffers count: Int = 0) {
    over.store(false, ordering: .relaxed)
    buffers.store(count, ordering: .relaxed)
    driversDone.store(0, ordering: .relaxed)
    opened.wrappingAdd(1, ordering: .relaxed)
    let code: UInt64 =
      switch next {
      case .finish: 0
      case .probe: 1
      case .slice(let contender): UInt64(contender) + 2
      }
    let number = (step.load(ordering: .relaxed) & 0xffff_ffff) + 1
    step.store(code << 32 | number & 0xffff_ffff, ordering: .releasing)
  }

  /// Device: waits for the step after `number`.
  func take(after number: UInt64) -> (step: Step, number: UInt64) {
    while true {
      let value = step.load(ordering: .acquiring)
      guard value & 0xffff_ffff != number & 0xffff_ffff else { continue }
      let code = value >> 32
      let next: Step = code == 0 ? .finish : code == 1 ? .probe : .slice(contender: Int(code - 2))
      return (next, value & 0xffff_ffff)
    }
  }

  /// Follower: a step is done.
  func finished() { finishes.wrappingAdd(1, ordering: .releasing) }

  /// Driver: waits until every follower has finished the current step.
  func waitUntilIdle() {
    let expected = opened.load(ordering: .relaxed) &* followers
    while finishes.load(ordering: .acquiring) != expected {}
  }

  /// What each of several drivers sends round in the current slice.
  var buffersEach: Int { buffers.load(ordering: .relaxed) }

  /// A driver that is not the leader has everything back, or gave up.
  func driverFinished() { driversDone.wrappingAdd(1, ordering: .releasing) }

  /// Leader: waits for so many other drivers.
  func waitForDrivers(_ count: Int) throws(SliceFailure) {
    while driversDone.load(ordering: .acquiring) != count {}
    if hasFailed { throw .other }
  }

  /// Driver: everything of this slice came back; the device may leave it.
  func endSlice() { over.store(true, ordering: .releasing) }

  /// Device, and the driver's own loop after a failure on the other side.
  var isSliceOver: Bool { over.load(ordering: .acquiring) }

  /// Either side: the other one must not wait for buffers that will never come.
  func fail() { failed.store(true, ordering: .releasing) }

  var hasFailed: Bool { failed.load(ordering: .acquiring) }
}
