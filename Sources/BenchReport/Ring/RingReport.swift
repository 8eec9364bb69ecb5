import BenchHarness
import BenchPaths
import RingKit

/// An array whose number of elements is all that the JSON has of it.
@propertyWrapper package struct Counted<Element: Sendable>: Encodable, Sendable {
  package var wrappedValue: [Element]

  package init(wrappedValue: [Element]) { self.wrappedValue = wrappedValue }

  package func encode(to encoder: any Encoder) throws { try wrappedValue.count.encode(to: encoder) }
}

/// What a `ring` run measures: parsed and checked, free of the command line.
package struct RingParameters: Encodable, Sendable {
  /// The points that are possible, in the order they were asked for.
  @Counted package var points: [RingPoint]
  /// How many of the combinations asked for no ring can hold.
  package var impossible: Int
  package var driverCPU: Int
  package var deviceCPU: Int
  package var slices: Int
  package var sliceMilliseconds: Double
  /// Seconds of the whole run, what is set up and calibrated included.
  package var timeLimit: Double
  /// Round trips recorded for each point with one buffer outstanding.
  package var roundTrips: Int
  package var seed: UInt64

  package init(
    points: [RingPoint], impossible: Int, driverCPU: Int, deviceCPU: Int, slices: Int, sliceMilliseconds: Double,
    timeLimit: Double, roundTrips: Int, seed: UInt64
  ) {
    self.points = points
    self.impossible = impossible
    (self.driverCPU, self.deviceCPU) = (driverCPU, deviceCPU)
    (self.slices, self.sliceMilliseconds, self.timeLimit) = (slices, sliceMilliseconds, timeLimit)
    (self.roundTrips, self.seed) = (roundTrips, seed)
  }
}

/// One floor beside a ring: the same lines moved with nothing around them.
package struct FloorRow: Encodable, Sendable {
  let name: String
  let isReference: Bool
  let nsPerBuffer: Estimate
  let modes: Modes
  /// The ring's time by this floor's, slice by slice; `nil` when no two slices lay side by side.
  @Null var ratio: Estimate?

  package init(_ kind: FloorKind, _ time: Estimate, _ modes: Modes, ratio: Estimate?) {
    (name, isReference) = (kind.name, kind.isReference)
    (nsPerBuffer, self.modes, self.ratio) = (time, modes, ratio)
  }
}

/// One result: one point in one placement class.
///
/// Every row has the same keys, with null where there is no floor.
package struct RingRow: Encodable, Sendable {
  let ring: RingLayout
  let inOrder: Bool
  let batch: Int
  let queueSize: Int
  let outstanding: Int
  let chain: Int
  let indirect: Bool
  let eventIdx: Bool
  let notification: NotificationMode
  let placement: PlacementFigure
  let nsPerBuffer: Estimate
  let cyclesPerBuffer: Estimate
  let buffersPerSecond: Estimate
  let modes: Modes
  /// The fastest of the reference floors; chains, and ends that sleep, have none.
  @Null var floor: String?
  @Null var floorNsPerBuffer: Estimate?
  @Null var floorModes: Modes?
  @Null var ratioToFloor: Estimate?
  /// All floors of the point.
  let floors: [FloorRow]
  let slicesKept: Int
  let slicesDropped: Int
  /// Work per buffer, by the names of ``RingKit/WorkEvent``.
  let counters: [String: Double]
  let notificationsPerBuffer: Double
  /// Single round trips, where one buffer is outstanding.
  @Null var roundTripLatencyNs: Latency?

  /// `nil` of too few slices; `cycles` are ticks of the cycle counter in a nanosecond.
  package init?(
    _ point: RingPoint, _ number: Int, _ placement: PlacementClass, _ run: PairedRun, cycles: Double,
    counters: [String: Double], floors: [FloorRow]
  ) {
    guard let time = run.time(number, placement) else { return nil }
    let slices = run.sorter.kept(number, placement)
    (ring, inOrder, batch, queueSize) = (point.ring, point.inOrder, point.batch, point.queueSize)
    (outstanding, chain, indirect) = (point.outstanding, point.chain, point.indirect)
    (eventIdx, notification) = (point.eventIndex, point.notification)
    self.placement = PlacementFigure(placement, Percentile.median(slices.map(\.conditions.roundTrip)) ?? 0)
    nsPerBuffer = time
    cyclesPerBuffer = Estimate(median: time.median * cycles, low: time.low * cycles, high: time.high * cycles)
    buffersPerSecond = time.reciprocal(times: 1e9)
    modes = Modes.of(slices.map(\.nanosecondsPerBuffer))
    let best = floors.filter(\.isReference).min { $0.nsPerBuffer.median < $1.nsPerBuffer.median }
    (floor, floorNsPerBuffer, floorModes) = (best?.name, best?.nsPerBuffer, best?.modes)
    ratioToFloor = best?.ratio
    self.floors = floors
    (slicesKept, slicesDropped) = (slices.count, run.sorter.dropped[number])
    self.counters = CostRow.rounded(counters)
    notificationsPerBuffer = counters[WorkEvent.notifications.rawValue] ?? 0
    roundTripLatencyNs = run.run.latencies[number]
  }
}

/// Everything `ringbench ring` found.
package final class RingReport: Encodable {
  private var schema = 1
  let machine: Machine
  let parameters: RingParameters
  package let results: [RingRow]
  package let slicesDroppedBy: [DropReason: Int]
  /// So many slices were disturbed that these had to count, too.
  let disturbed: Bool
  /// Ended by Ctrl-C: what is here is what there was by then.
  package let interrupted: Bool

  package init(machine: Machine, parameters: RingParameters, rows: [RingRow], run: PairedRun) {
    (self.machine, self.parameters, results) = (machine, parameters, rows)
    slicesDroppedBy = DropReason.counts(run.sorter.reasons)
    (disturbed, interrupted) = (run.sorter.isDisturbed, run.run.interrupted)
  }

  package var measuredClasses: [PlacementClass] { results.map(\.placement.class) }
  package var emptiness: String? { results.isEmpty ? Lines.nothing(slicesDroppedBy) : nil }
  package var caution: String? { disturbed ? Lines.disturbed : nil }

  /// The class to show: the one with most slices.
  package var mainClass: PlacementClass? { PlacementClass.main(results.map { ($0.placement.class, $0.slicesKept) }) }
}
