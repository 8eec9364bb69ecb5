import BenchPlan
import RingKit

/// What grows from one point of a `scale` run to the next.
package enum ScaleAxis: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// Descriptors of the ring, with the same number outstanding.
  case queueSize = "queue-size"
  /// Buffers outstanding, each with a mapping, in a ring that has room for all.
  case mappings
  /// Queues over one pool, or one domain and its invalidation queue.
  case queues
  /// Guest memory that the same number of buffers lies spread over.
  case memory

  package static let noun = "axis"

  /// A value for people.
  func text(_ value: Int) -> String { self == .memory ? NumberText.bytes(value) : NumberText.grouped(value) }
}

/// What a `scale` run measures: parsed, checked against the machine, free of the command line.
package struct ScaleParameters: SliceSettings, Sendable {
  package var axes: [ScaleAxis] = ScaleAxis.allCases
  package var rings: [RingLayout] = [.split]
  package var paths: [DMAPath] = [.direct, .swiotlb, .iommuStrict, .iommuLazy]
  private var directions = [DMADirection.deviceReadable]
  private var sizes = [64]
  package var queueSizes = [64, 256, 1_024, 4_096, 16_384, 32_768]
  package var mappings = [16, 64, 256, 1_024, 4_096, 16_384]
  package var queueCounts = [1, 2, 4, 8, 16]
  package var memoryBytes = [1 << 20, 16 << 20, 256 << 20, 4 << 30, 64 << 30]
  package var driverCPU = 0
  package var deviceCPU = 1
  /// CPUs of the queues from the second on, as far as there are any.
  package var otherCPUs: [CPUsOfQueue] = []
  package var slices = 100
  package var sliceMilliseconds = 2.0
  /// Seconds of the whole run, what is set up and simulated included.
  package var timeLimit = 45.0
  package var seed: UInt64 = 1

  package init() {}

  /// Where buffers outstanding and a batch do not grow.
  package static let depth = 64
  static let batch = 16
  /// The pool that all points bounce through.
  static let poolMebibytes = 64

  // Lists in the JSON, as other commands have them.
  package var direction: DMADirection {
    get { directions[0] }
    set { directions = [newValue] }
  }

  package var bytes: Int {
    get { sizes[0] }
    set { sizes = [newValue] }
  }

  /// The paths to run: those asked for, `direct` first.
  package var measuredPaths: [DMAPath] { [.direct] + paths.filter { $0 != .direct } }

  package func values(_ axis: ScaleAxis) -> [Int] {
    switch axis {
    case .queueSize: queueSizes
    case .mappings: mappings
    case .queues: queueCounts
    case .memory: memoryBytes
    }
  }

  package var points: [ScalePoint] {
    axes.flatMap { axis in
      rings.flatMap { ring in values(axis).map { ScalePoint(axis: axis, value: $0, ring: ring) } }
    }
  }

  /// Whether each end of so many queues has a CPU of its own here; else they take turns on two.
  package func haveOwnThreads(_ queues: Int) -> Bool { queues > 1 && queues - 1 <= otherCPUs.count }

  /// A point as `cost` would be asked for it.
  package func cost(_ point: ScalePoint) -> CostParameters {
    var cost = CostParameters()
    (cost.rings, cost.paths, cost.sizes, cost.directions) = ([point.ring], paths, [bytes], [direction])
    (cost.queueSize, cost.depth, cost.batch) = (256, Self.depth, Self.batch)
    cost.swiotlbMebibytes = Self.poolMebibytes
    cost.take(self)
    switch point.axis {
    case .queueSize: cost.queueSize = point.value
    case .mappings: (cost.queueSize, cost.depth) = (SizeLimits.powerOfTwo(atLeast: mappings.max() ?? 1), point.value)
    case .queues:
      cost.queues = point.value
      if haveOwnThreads(point.value) {
        cost.queueThreads = .own
        cost.otherCPUs = Array(otherCPUs.prefix(point.value - 1))
      }
    case .memory: cost.memorySpan = point.value
    }
    cost.batch = min(cost.batch, cost.depth)
    return cost
  }
}

/// One value on one axis, on one ring.
package struct ScalePoint: Hashable, Sendable {
  let axis: ScaleAxis
  let value: Int
  let ring: RingLayout

  package init(axis: ScaleAxis, value: Int, ring: RingLayout) {
    (self.axis, self.value, self.ring) = (axis, value, ring)
  }
}

/// A path at a point: what is told apart in the results.
package struct ScaleKey: Hashable, Sendable {
  let point: ScalePoint
  let path: DMAPath

  package init(_ point: ScalePoint, _ path: DMAPath) { (self.point, self.path) = (point, path) }
}
