import CRing
import Glibc
import RingKit
import Synchronization

/// How the driver's thread leads the device's from step to step.
///
/// The driver opens a step, the device takes it; while a slice runs the device looks at ``isSliceOver`` only when its
/// queue is empty. Where every queue has threads of its own the other drivers follow as well. No locks: all spin,
/// because all own their CPU; only a parked thread sleeps, to leave its CPU to a device in another process, or to one
/// in this.
package final class SliceBarrier: Sendable {
  /// What the device's thread does next.
  enum Step: Equatable {
    case probe
    case slice(benchCase: Int)
    /// Sleep until the next step.
    case park
    /// Nothing: the device is awake and spins for the next step.
    case wake
    case finish
  }

  /// Bytes of memory that a barrier takes.
  static let byteCount = 128

  // Words of 64 bits. The step: low 32 bits number it; high 32 bits: what it is (0 finish, 1 probe, 2 park, 3 wake,
  // 4 + case slice).
  private static let step = 0
  private static let over = 8
  private static let failed = 16
  // Steps that workers finished, all together.
  private static let finishes = 24
  private static let switches = 32

  private let words: SharedMemory
  private let region: MemoryRegion
  // The rest is this process's own. Steps that were opened.
  private let opened = Atomic<UInt64>(0)
  private let buffers = Atomic<Int>(0)
  private let driversDone = Atomic<Int>(0)
  private let workers: UInt64
  private let patience: UInt64
  // What the driver knows of a device in another process that is gone.
  private let abandoned = Atomic<Bool>(false)

  /// A barrier over the first bytes of a region, zeroed when it is new.
  ///
  /// `patience`: nanoseconds that the driver waits for a step to end.
  init(in region: MemoryRegion, workers: Int = 1, patience: UInt64 = 10_000_000_000) {
    self.workers = UInt64(workers)
    self.patience = patience
    precondition(region.byteCount >= Self.byteCount, "a barrier takes \(Self.byteCount) bytes")
    self.region = region
    words = unsafe SharedMemory(region.hostBase, byteCount: Self.byteCount)
  }

  /// Driver: begins a step.
  ///
  /// The device has finished the one before (``waitUntilIdle()``).
  ///
  /// `buffers` is what each driver sends round in it.
  func open(_ next: Step, buffers count: Int = 0) {
    words.store64(0, Self.over)
    buffers.store(count, ordering: .relaxed)
    driversDone.store(0, ordering: .relaxed)
    opened.wrappingAdd(1, ordering: .relaxed)
    let code: UInt64 =
      switch next {
      case .finish: 0
      case .probe: 1
      case .park: 2
      case .wake: 3
      case .slice(let benchCase): UInt64(benchCase) + 4
      }
    let number = (words.load64(Self.step) & 0xffff_ffff) + 1
    words.storeRelease64(code << 32 | number & 0xffff_ffff, Self.step)
  }

  /// Driver: begins a step of a device that may be parked.
  func rouse(_ next: Step) {
    open(next)
    unsafe cring_futex_wake(number)
  }

  /// Device: waits for the step after `number`.
  func take(after number: UInt64) -> (step: Step, number: UInt64) {
    while true {
      let value = words.loadAcquire64(Self.step)
      guard value & 0xffff_ffff != number & 0xffff_ffff else { continue }
      let next: Step =
        switch value >> 32 {
        case 0: .finish
        case 1: .probe
        case 2: .park
        case 3: .wake
        default: .slice(benchCase: Int(value >> 32 - 4))
        }
      return (next, value & 0xffff_ffff)
    }
  }

  /// DeviceWorker: a step is done.
  func finished() { words.addRelease64(1, Self.finishes) }

  /// Device: sleeps until the step after `number` is there.
  func sleep(after number: UInt64) {
    while words.loadAcquire64(Self.step) & 0xffff_ffff == number & 0xffff_ffff {
      unsafe cring_futex_wait(self.number, UInt32(truncatingIfNeeded: number))
    }
  }

  /// Driver: waits until every worker has finished the current step, or the device's process is gone.
  ///
  /// One that does not finish in ten seconds is given up: it counts as gone from then on, and that is thrown. The time
  /// is the waiting thread's own, because both sides may have been stopped together.
  func waitUntilIdle() throws(SliceFailure) {
    let expected = opened.load(ordering: .relaxed) &* workers
    var turns = 0
    var end: UInt64?
    while words.loadAcquire64(Self.finishes) != expected {
      if isAbandoned { return }
      turns &+= 1
      if turns & 0xffff != 0 { continue }
      let now = Self.ownNanoseconds()
      if let end, now > end {
        abandon()
        throw .silent
      }
      end = end ?? now &+ patience
    }
  }

  private static func ownNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// What each of several drivers sends round in the current slice.
  var buffersEach: Int { buffers.load(ordering: .relaxed) }

  /// A driver that is not the driver worker has everything back, or gave up.
  func driverFinished() { driversDone.wrappingAdd(1, ordering: .releasing) }

  /// DriverWorker: waits for so many other drivers.
  func waitForDrivers(_ count: Int) throws(SliceFailure) {
    while driversDone.load(ordering: .acquiring) != count {}
    if hasFailed { throw .other }
  }

  /// Driver: everything of this slice came back; the device may leave it.
  func endSlice() { words.storeRelease64(1, Self.over) }

  /// Device, and the driver's own loop after a failure on the other side.
  package var isSliceOver: Bool { words.loadAcquire64(Self.over) != 0 }

  /// Either side: the other one must not wait for buffers that will never come.
  func fail() { words.storeRelease64(1, Self.failed) }

  package var hasFailed: Bool { words.loadAcquire64(Self.failed) != 0 || isAbandoned }

  /// Driver: the device's process has ended.
  package func abandon() { abandoned.store(true, ordering: .releasing) }

  /// Whether the device's process has gone.
  package var isAbandoned: Bool { abandoned.load(ordering: .acquiring) }

  /// The workers' involuntary switches so far; added to while they are in a step.
  var switchCount: UInt64 { words.load64(Self.switches) }

  /// DeviceWorker: so many more.
  func addSwitches(_ count: UInt64) { words.addRelease64(count, Self.switches) }

  // The low half of the step, where a kernel of a little-endian machine finds it.
  private var number: UnsafePointer<UInt32> {
    unsafe UnsafePointer(region.hostBase.pointer.assumingMemoryBound(to: UInt32.self))
  }
}

/// A device's thread, or all that follow, as the driver's leads them, in this process or in another: a barrier and a
/// line to probe.
package final class SlicePeer: Sendable {
  /// Bytes of memory that both take.
  package static let byteCount = 4096
  private static let probeOffset = 128

  package let barrier: SliceBarrier
  let probe: RoundTripProbe

  /// Over the first bytes of a region that is new, or that the driver's side has set up.
  package init(in region: MemoryRegion, workers: Int = 1, patience: UInt64 = 10_000_000_000) {
    barrier = SliceBarrier(in: region, workers: workers, patience: patience)
    probe = RoundTripProbe(in: region, at: Self.probeOffset)
  }

  /// For threads of this process.
  convenience init(workers: Int = 1) throws(BenchError) {
    do throws(MemoryError) {
      self.init(
        in: try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: Self.byteCount, isShared: false),
        workers: workers)
    } catch { throw .machine("no memory for a barrier: \(error)") }
  }
}
