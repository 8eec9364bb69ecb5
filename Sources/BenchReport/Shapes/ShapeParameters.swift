import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// What `shapes` was asked for: parsed and checked, free of the command line.
package struct ShapeParameters: Encodable, Sendable {
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

  /// Seconds for one shape.
  package func limit(of shape: Shape) -> Double {
    timeLimit * shape.weight / shapes.reduce(0) { $0 + $1.weight }
  }

  /// What a measurement of one shape starts from.
  package func cost(for shape: Shape) -> CostParameters {
    var cost = CostParameters()
    cost.rings = [ring]
    cost.paths = [.direct]
    cost.directions = [.deviceReadable]
    cost.driverCPU = driverCPU
    cost.deviceCPU = deviceCPU
    cost.slices = slices
    cost.sliceMilliseconds = sliceMilliseconds
    cost.timeLimit = limit(of: shape)
    cost.seed = seed
    return cost
  }
}
