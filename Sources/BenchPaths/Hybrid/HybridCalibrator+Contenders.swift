import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

extension HybridCalibrator {
  /// The smallest and the largest buffers looked at, whatever sizes are measured.
  private static let smallest = 256
  private static let largest = 65_536
  /// Larger ones than this would take too long.
  private static let ceiling = 524_288
  private static let mostBytes = 256 << 20
  private static let secondsForAllRings = 2.0

  /// One for a run of `parameters`.
  ///
  /// `guest` is that of the calibrators of all rings; it is set up where there is none yet.
  package convenience init(
    _ parameters: CostParameters, _ ring: RingLayout, _ machine: Machine, guest: inout BenchGuest?
  ) throws(BenchError) {
    var own = parameters
    own.paths = [.shadow, .iommuStrict]
    own.sizes = Self.ladder(
      upTo: parameters.shadowSlot ?? .max, measured: parameters.sizes.max() ?? 0, depth: parameters.depth)
    // Hybrid maps each buffer, whatever iommu-strict does.
    own.iommu.mergeBytes = 0
    own.queues = 1
    let memory: BenchGuest
    if let guest { memory = guest } else { memory = try BenchGuest(own) }
    var factory = ContenderFactory(parameters: own, guest: memory)
    var keys: [CostKey] = []
    var contenders: [Contender] = []
    for bytes in own.sizes {
      for direction in own.directions {
        for path in own.paths {
          let key = CostKey(ring: ring, path: path, direction: direction, bytes: bytes)
          let contender = try factory.make(key)
          contender.trialBuffers = 128
          keys.append(key)
          contenders.append(contender)
        }
      }
    }
    guest = factory.guest
    let (pair, underHypervisor) = (
      machine.pair(parameters.driverCPU, parameters.deviceCPU), machine.underHypervisor
    )
    self.init(
      ring: ring, keys: keys, contenders: contenders,
      seconds: Self.secondsForAllRings / Double(parameters.rings.count)
    ) { PlacementClassifier(pair: pair, underHypervisor: underHypervisor, roundTrips: $0) }
  }

  /// Powers of two from 256 bytes, and the largest, which need be no larger than a shadow buffer.
  package static func ladder(upTo slot: Int, measured: Int, depth: Int) -> [Int] {
    let affordable = max(smallest, min(largest, mostBytes / depth))
    let last = min(slot, max(affordable, min(measured, ceiling)))
    return Array(sequence(first: min(smallest, last)) { $0 == last ? nil : min(2 * $0, last) })
  }
}
