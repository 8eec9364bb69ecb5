import RingKit

/// What `shapes` was asked for: parsed and checked, free of the command line.
struct ShapeParameters: Encodable, Sendable {
  var shapes: [Shape] = Shape.allCases
  var ring = RingLayout.split
  var driverCPU = 0
  var deviceCPU = 1
  /// Slices per combination.
  var slices = 60
  var sliceMilliseconds = 2.0
  /// Seconds for all shapes together.
  var timeLimit = 150.0
  var seed: UInt64 = 1
  /// The class whose slices count; `nil`: for each shape the one with most of them.
  var placement: PlacementClass?

  /// Seconds for one shape.
  func limit(of shape: Shape) -> Double {
    timeLimit * shape.weight / shapes.reduce(0) { $0 + $1.weight }
  }

  /// What a measurement of one shape starts from.
  func cost(for shape: Shape) -> CostParameters {
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
