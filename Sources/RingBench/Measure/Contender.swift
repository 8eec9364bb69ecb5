import RingKit

/// One combination that takes its turn, with both ends set up: a ring over a path, or a floor.
///
/// The closures are where the concrete types end: each is compiled for one pair of queue types, so that a slice is one
/// dynamic call and everything inside it is static. ``runDriver`` and what belongs to it is called on the driver's thread
/// only, ``runDevice`` on the device's.
final class Contender: @unchecked Sendable {
  /// What it is, for an error message.
  let label: String
  /// Sends that many buffers round; returns nanoseconds.
  private(set) var runDriver: (_ count: Int, _ gate: SliceGate) throws(SliceFailure) -> UInt64
  private(set) var runDevice: (_ gate: SliceGate) throws(SliceFailure) -> Void
  /// What both ends did so far; read while neither runs.
  private(set) var work: () -> WorkCounts
  /// Figures of the path's own, by their names in the JSON.
  let figures: () -> [String: Double]
  /// With one buffer outstanding: sends that many round and tells the cycles each was away.
  var timeRoundTrips: ((_ count: Int, _ gate: SliceGate, _ record: (UInt64) -> Void) throws(SliceFailure) -> Void)?
  /// Both ends on the calling thread, for that many rounds; the least nanoseconds a round's parts took.
  var runOnOneThread: (_ rounds: Int) throws(SliceFailure) -> (add: Double, serve: Double, reclaim: Double)
  /// Wakes a device end that sleeps, to let it see that the slice is over.
  var wakeDevice: (() -> Void)?
  /// The queue's number at a device in another process; `nil` when the device is a thread of this one.
  var isolatedQueue: Int?
  /// Ends the waiting for a device in another process.
  var leaveDevice: (() -> Void)?
  /// Buffers of a slice, set by calibration.
  var buffersPerSlice = 0
  /// Buffers of the first slice of the calibration, and of a slice whose work is counted: fewer where each is large.
  var trialBuffers = 1024
  var countedBuffers = SliceLeader.countedBuffers
  /// Buffers that go round before a slice is timed: as many as there are in its memory, so that no slice pays for where
  /// the one before it, another path's, left them.
  var warmingBuffers = 0
  /// Slices are a multiple of this many buffers.
  var batchMultiple: Int { 128 * max(1, lanes.count) }
  /// What finds the threshold that it goes by, where that is measured.
  var hybrid: HybridCalibrator?
  /// Its queues, where there are several; each is led by a thread of its own or takes turns with the others.
  var lanes: [Contender] = []
  /// The driver's end a turn at a time.
  var driverTurns: DriverTurns?
  /// The device's: serves a batch, and the IOMMU; returns how many buffers there were.
  var turnDevice: (() throws(SliceFailure) -> Int)?
  /// Waits for locks that its queues share, so far and by their names in the JSON; read while neither end runs.
  var lockWaits: () -> [String: UInt64] = { [:] }

  init(
    label: String, runDriver: @escaping (Int, SliceGate) throws(SliceFailure) -> UInt64,
    runDevice: @escaping (SliceGate) throws(SliceFailure) -> Void, work: @escaping () -> WorkCounts,
    figures: @escaping () -> [String: Double] = { [:] }
  ) {
    self.label = label
    self.runDriver = runDriver
    self.runDevice = runDevice
    self.work = work
    self.figures = figures
    self.runOnOneThread = { _ throws(SliceFailure) in throw .other }
  }

  /// Lets go of the queue ends, once both threads are gone.
  ///
  /// The device's first: a driver that unmaps at its end would wait for an IOMMU that nobody serves any more.
  func close() {
    closeDevice()
    closeDriver()
  }

  /// The queue that a thread of its own leads.
  func lane(_ number: Int) -> Contender { lanes.isEmpty ? self : lanes[number] }

  /// Whether that thread has a queue here: a single one is the first's alone.
  func hasLane(_ number: Int) -> Bool { number < max(1, lanes.count) }

  private func closeDevice() {
    for lane in lanes { lane.closeDevice() }
    // First what holds both: in which order it would let them go is not said.
    work = { WorkCounts() }
    runOnOneThread = { _ throws(SliceFailure) in throw .other }
    runDevice = { _ throws(SliceFailure) in throw .other }
    turnDevice = nil
    leaveDevice?()
    leaveDevice = nil
  }

  private func closeDriver() {
    for lane in lanes { lane.closeDriver() }
    driverTurns = nil
    timeRoundTrips = nil
    runDriver = { _, _ throws(SliceFailure) in throw .other }
  }
}
