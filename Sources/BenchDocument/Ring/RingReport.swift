import BenchPlan
import RingKit

/// An array whose number of elements is all that the JSON has of it.
@propertyWrapper package struct Counted<Element: Sendable>: Encodable, Sendable {
  package var wrappedValue: [Element]

  package init(wrappedValue: [Element]) { self.wrappedValue = wrappedValue }

  package func encode(to encoder: any Encoder) throws { try wrappedValue.count.encode(to: encoder) }
}

/// What a `ring` run measures: parsed and checked, free of the command line.
package struct RingParameters: SliceSettings, Sendable {
  /// The points that are possible, in the order they were asked for.
  @Counted package var points: [RingPoint]
  /// How many of the combinations asked for no ring can hold.
  package let impossible: Int
  package var driverCPU = 0
  package var deviceCPU = 1
  package var slices = 0
  package var sliceMilliseconds = 0.0
  package var timeLimit = 0.0
  /// Round trips recorded for each point with one buffer outstanding.
  package let roundTrips: Int
  package var seed: UInt64 = 1

  package init(_ points: [RingPoint], impossible: Int, roundTrips: Int) {
    (self.points, self.impossible, self.roundTrips) = (points, impossible, roundTrips)
  }
}

extension ResultRow {
  /// One point in one placement class, `nil` of too few slices.
  ///
  /// `floor` is the fastest of the reference floors; chains, and ends that sleep, have none. `cycles` are ticks of the
  /// cycle counter in a nanosecond.
  package init?(
    _ point: RingPoint, _ number: Int, _ placement: PlacementClass, _ run: PairedRun, cycles: Double,
    counters: [String: Double], floor: ResultRow?
  ) {
    self.init(.ring)
    guard setTimes(number, placement, run) else { return nil }
    set(point)
    if let time = nsPerBuffer {
      figures = [
        ResultFigure(
          "cyclesPerBuffer", unit: "cycles",
          Estimate(median: time.median * cycles, low: time.low * cycles, high: time.high * cycles))
      ]
    }
    if let floor, let time = floor.nsPerBuffer {
      figures = (figures ?? []) + [ResultFigure("floorNs", unit: "ns", time)]
      note = floor.labels["floor"]
      ratioToFloor = floor.ratioToFloor
    }
    self.counters = Self.rounded(counters)
    latency = run.run.latencies[number]
  }

  /// A floor beside a point's ring: the same lines moved with nothing around them; `nil` without a slice.
  ///
  /// It counts with the slices it has: there is no row without its ring's.
  package init?(
    _ floor: FloorKind, _ number: Int, of point: RingPoint, _ ringNumber: Int, _ placement: PlacementClass,
    _ run: PairedRun, seed: UInt64
  ) {
    self.init(.floor)
    let times = run.sorter.kept(number, placement).map(\.nanosecondsPerBuffer)
    guard let time = BootstrapInterval.median(of: times, seed: seed) else { return nil }
    _ = setTimes(number, placement, run)
    (nsPerBuffer, buffersPerSecond) = (time.rounded, time.reciprocal(times: 1e9).rounded)
    modes = Modes.of(times)
    set(point)
    labels["floor"] = floor.name
    note = floor.isReference ? "reference" : nil
    ratioToFloor =
      BootstrapInterval.medianOfRatios(
        run.sorter.pairs(ringNumber, with: number, placement), seed: seed)?.rounded
  }

  private mutating func set(_ point: RingPoint) {
    (ring, batch, depth) = (point.ring, point.batch, point.outstanding)
    labels = RingLabels.of(point)
    let kept = (slices ?? []).filter { $0.dropped == nil }
    if modes == nil { modes = Modes.of(kept.map(\.nsPerBuffer)) }
  }
}

/// Everything `ringbench ring` found.
package struct RingReport: SlicedReport {
  let machine: Machine
  let parameters: RingParameters
  let results: [ResultRow]
  let slicesDroppedBy: [DropReason: Int]
  /// So many slices were disturbed that these had to count, too.
  let disturbed: Bool
  package let interrupted: Bool

  package init(machine: Machine, parameters: RingParameters, rows: [ResultRow], run: PairedRun) {
    (self.machine, self.parameters, results) = (machine, parameters, rows)
    slicesDroppedBy = DropReason.counts(run.sorter.reasons)
    (disturbed, interrupted) = (run.sorter.isDisturbed, run.run.interrupted)
  }

  package var emptiness: String? { results.isEmpty ? Lines.nothing(slicesDroppedBy) : nil }
  package var seed: UInt64? { parameters.seed }
}
