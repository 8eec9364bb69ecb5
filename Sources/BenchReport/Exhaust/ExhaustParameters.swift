import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// What an `exhaust` run counts: parsed, checked, free of the command line.
package struct ExhaustParameters: Sendable {
  package var modes: [ExhaustMode] = ExhaustMode.allCases
  package var rings: [RingLayout] = [.split]
  package var pools: [Int] = [256 << 10, 1 << 20, 4 << 20]
  package var areas: [Int] = [1, 2]
  package var depths: [Int] = [32, 128]
  package var sizes: [Int] = [1_500, 4_096, 65_536, 262_145]
  package var directions: [DMADirection] = [.deviceReadable]
  package var queueSize = 256
  /// Buffers the device serves at a time.
  package var batch = 32
  /// Buffers of each case.
  package var buffers = 2_048
  package var driverCPU = 0
  package var deviceCPU = 1

  package init() {}

  /// Every combination, the modes of one next to each other; what comes to the same is counted once.
  package var cases: [ExhaustCase] {
    var cases: [ExhaustCase] = []
    for ring in rings {
      for direction in directions {
        for pool in pools {
          for bytes in sizes {
            for depth in depths { cases += variants(ring, direction, pool: pool, bytes: bytes, depth: depth) }
          }
        }
      }
    }
    return cases
  }

  private func variants(
    _ ring: RingLayout, _ direction: DMADirection, pool: Int, bytes: Int, depth: Int
  ) -> [ExhaustCase] {
    var cases: [ExhaustCase] = []
    for areas in areas {
      for mode in modes {
        let what = ExhaustCase(
          mode: mode, ring: ring, poolBytes: pool, areas: Self.areas(areas, of: pool), depth: depth, bytes: bytes,
          direction: direction)
        // Whoever is refused at once needs neither a second thread nor another lock.
        if what.isBeyondCeiling ? cases.isEmpty : !cases.contains(what) { cases.append(what) }
      }
    }
    return cases
  }

  /// The areas a pool gets that were asked for: a power of two, at most one a segment.
  package static func areas(_ wanted: Int, of poolBytes: Int) -> Int {
    let segments = poolBytes / SwiotlbPool.maximumMappingByteCount
    var areas = SizeLimits.powerOfTwo(atLeast: min(wanted, segments))
    while areas > segments { areas /= 2 }
    return areas
  }
}

extension ExhaustParameters: Encodable {
  private enum Key: String, CodingKey {
    case modes, rings, pools, areas, depths, sizes, directions, queueSize, batch, buffers, driverCPU, deviceCPU
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(modes, forKey: .modes)
    try values.encode(rings, forKey: .rings)
    try values.encode(pools, forKey: .pools)
    try values.encode(areas, forKey: .areas)
    try values.encode(depths, forKey: .depths)
    try values.encode(sizes, forKey: .sizes)
    try values.encode(directions.map(\.name), forKey: .directions)
    try values.encode(queueSize, forKey: .queueSize)
    try values.encode(batch, forKey: .batch)
    try values.encode(buffers, forKey: .buffers)
    try values.encode(driverCPU, forKey: .driverCPU)
    try values.encode(deviceCPU, forKey: .deviceCPU)
  }
}
