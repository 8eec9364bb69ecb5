import RingKit

/// One combination that takes its turn: a ring, a path, a direction and a size, with both queue ends set up.
///
/// The closures are where the concrete types end: each is compiled for one pair of queue types, so that a slice is one
/// dynamic call and everything inside it is static. ``runDriver`` and what belongs to it is called on the driver's thread
/// only, ``runDevice`` on the device's.
final class Contender: @unchecked Sendable {
  let key: CostKey
  /// Sends that many buffers round; returns nanoseconds.
  private(set) var runDriver: (_ count: Int, _ gate: SliceGate) throws(SliceFailure) -> UInt64
  private(set) var runDevice: (_ gate: SliceGate) throws(SliceFailure) -> Void
  /// What both ends did so far; read while neither runs.
  private(set) var work: () -> WorkCounts
  /// Figures of the path's own, by their names in the JSON.
  let figures: () -> [String: Double]
  /// Buffers of a slice, set by calibration.
  var buffersPerSlice = 0

  init(
    key: CostKey, runDriver: @escaping (Int, SliceGate) throws(SliceFailure) -> UInt64,
    runDevice: @escaping (SliceGate) throws(SliceFailure) -> Void, work: @escaping () -> WorkCounts,
    figures: @escaping () -> [String: Double]
  ) {
    self.key = key
    self.runDriver = runDriver
    self.runDevice = runDevice
    self.work = work
    self.figures = figures
  }

  /// Lets go of the queue ends, once both threads are gone.
  ///
  /// The device's first: a driver that unmaps at its end would wait for an IOMMU that nobody serves any more.
  func close() {
    work = { WorkCounts() }
    runDevice = { _ throws(SliceFailure) in throw .other }
    runDriver = { _, _ throws(SliceFailure) in throw .other }
  }
}
