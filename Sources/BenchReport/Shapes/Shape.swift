import BenchDocument
import RingKit

/// The shapes that published measurements have, and that ours are held against.
package enum Shape: String, CaseIterable, Encodable, Sendable, NamedChoice {
  case ladder = "A"
  case copyAgainstMap = "B"
  case invalidations = "C"
  case persistent = "D"
  case areas = "E"
  case exhaustion = "F"
  case largeRanges = "G"
  case reach = "H"
  case backend = "I"
  case indirect = "J"
  case keptBuffers = "K"

  package static let noun = "shape"

  package var title: String {
    switch self {
    case .ladder: "the ladder of paths"
    case .copyAgainstMap: "copying against mapping"
    case .invalidations: "deferred invalidation"
    case .persistent: "merged and persistent mappings"
    case .areas: "areas of the bounce pool"
    case .exhaustion: "an exhausted bounce pool"
    case .largeRanges: "IOVA ranges beyond 128 KiB"
    case .reach: "reach of the IOTLB"
    case .backend: "translation in another process"
    case .indirect: "indirect tables under the DMA API"
    case .keptBuffers: "buffers kept in shared memory against swiotlb"
    }
  }

  var expectation: String {
    switch self {
    case .ladder:
      "direct > identity > lazy > strict > emulated vIOMMU; strict at 0.4 to 0.75 of lazy's throughput for "
        + "packet-sized buffers"
    case .copyAgainstMap:
      "copying wins for small buffers, mapping for large ones; they meet at bandwidth x (t_map + t_unmap) / k"
    case .invalidations: "strict invalidates once per unmap, lazy once per 255 or when 10 ms have passed"
    case .persistent: "mappings that stay cost almost nothing against direct"
    case .areas: "one area under one lock costs more than an area per CPU as soon as two CPUs bounce"
    case .exhaustion: "what does not fit into the pool is refused, and so is any mapping above 256 KiB"
    case .largeRanges: "ranges above 128 KiB leave the per-CPU caches for the tree, and cost more than their entries"
    case .reach: "flat until the working set is entries x page size, then a step; 2 MiB pages remove it"
    case .backend: "a miss that is a message to another process costs 10 to 500 times a hit"
    case .indirect: "the table itself is mapped: a chain of n segments takes n + 1 maps"
    case .keptBuffers:
      "buffers that stay in shared memory win back most of what bouncing each request through swiotlb loses"
    }
  }

  /// Its part of the time, by how much it has to run.
  fileprivate var weight: Double {
    switch self {
    case .copyAgainstMap: 5
    case .exhaustion: 0.1
    case .ladder, .reach, .keptBuffers: 2
    default: 1
    }
  }
}

/// How a shape came out.
enum Verdict: String, Encodable, Sendable {
  case agrees
  case differs
  case cannotBeShown = "cannot be shown here"
}

/// What `shapes` was asked for: parsed and checked, free of the command line.
package struct ShapeParameters: SliceSettings, Sendable {
  package var shapes: [Shape] = Shape.allCases
  package var ring = RingLayout.split
  package var driverCPU = 0
  package var deviceCPU = 1
  /// Slices per combination.
  package var slices = 60
  package var sliceMilliseconds = 2.0
  /// Seconds for all shapes together.
  package var timeLimit = 150.0
  package var seed: UInt64 = 1
  /// The class whose slices count; `nil`: for each shape the one with most of them.
  package var placement: PlacementClass?

  package init() {}

  /// The first one's share of the time that is left for these.
  package static func share(_ shapes: ArraySlice<Shape>) -> Double {
    guard let first = shapes.first else { return 0 }
    return first.weight / shapes.reduce(0) { $0 + $1.weight }
  }

  /// What a measurement of one shape starts from.
  package var cost: CostParameters {
    var cost = CostParameters()
    cost.rings = [ring]
    cost.paths = [.direct]
    cost.directions = [.deviceReadable]
    cost.take(self)
    return cost
  }
}

/// Where and how undisturbed the times of a shape were measured; counts need neither.
package struct ShapeConditions: Sendable {
  package var placement: PlacementClass?
  package var roundTrip: Double?
  var slicesDroppedBy: [DropReason: Int] = [:]
  var isDisturbed = false

  package init(
    placement: PlacementClass? = nil, roundTrip: Double? = nil, slicesDroppedBy: [DropReason: Int] = [:],
    isDisturbed: Bool = false
  ) {
    (self.placement, self.roundTrip) = (placement, roundTrip)
    (self.slicesDroppedBy, self.isDisturbed) = (slicesDroppedBy, isDisturbed)
  }
}

/// A run seen in the one class that a shape is told for.
package struct ShapeRun: Sendable {
  let paired: PairedRun
  let placement: PlacementClass?

  package init(paired: PairedRun, placement: PlacementClass?) {
    self.paired = paired
    self.placement = placement
  }

  package func time(_ benchCase: Int) -> Estimate? { placement.flatMap { paired.time(benchCase, $0) } }

  /// One case's time by another's.
  package func ratio(_ benchCase: Int, to baseline: Int) -> Estimate? {
    placement.flatMap { paired.ratio(benchCase, to: baseline, $0) }
  }

  private func both(_ benchCase: Int, _ baseline: Int) -> (Estimate, Estimate)? {
    guard let time = self.time(benchCase), let base = self.time(baseline), base.low > 0 else { return nil }
    return (time, base)
  }

  /// By how many nanoseconds one costs more than another, slice by slice of the same round.
  package func difference(_ benchCase: Int, from baseline: Int, seed: UInt64) -> Estimate? {
    guard let placement else { return nil }
    let pairs = paired.sorter.pairs(benchCase, with: baseline, placement)
    guard pairs.count >= PairedRun.fewestSlices else {
      return both(benchCase, baseline).map { time, base in
        Estimate(median: time.median - base.median, low: time.low - base.high, high: time.high - base.low)
      }
    }
    return BootstrapInterval.median(of: pairs.map { $0.numerator - $0.denominator }, seed: seed)
  }

  /// What a path that maps costs beside the mapping: the walk of the device.
  ///
  /// Page-table entries share a line by eight, the walk fetches it and the driver fetches it back to clear them.
  package func walk(_ path: DMAPath) -> Double {
    guard path.maps, let roundTrip = conditions.roundTrip else { return 0 }
    return roundTrip / 8
  }

  /// Work per buffer of a counted case.
  package func counter(_ counted: Int, _ name: String) -> Double? { paired.run.counters[counted]?[name] }

  package var conditions: ShapeConditions {
    ShapeConditions(
      placement: placement, roundTrip: placement.flatMap { paired.roundTrip($0) },
      slicesDroppedBy: paired.sorter.reasons, isDisturbed: paired.sorter.isDisturbed)
  }
}
