#if Bench
import BenchPaths
import BenchPlan
import BenchReport
import RingKit

/// Shape J: the table of an indirect chain is one more segment to map.
struct IndirectShape {
  private static let bytes = 1_536
  private static let batch = 16
  private static let rounds = 255
  private static let chains = [2, 4, 8, 16]

  let bench: ShapeBench

  func measure() throws(BenchError) -> ShapeResult {
    var result = bench.result([.indirectTable])
    for path in [DMAPath.identity, .iommuStrict, .swiotlb] {
      for chain in Self.chains {
        let counts = try Self.count(path, chain: chain, isIndirect: true, bench)
        result.count(
          "\(path.name), maps of an indirect chain of \(chain)", unit: "", predicted: Double(chain + 1),
          measured: Double(counts[.maps]) / Double(Self.batch * Self.rounds))
      }
    }
    let plain = try Self.count(.identity, chain: 4, isIndirect: false, bench)
    result.count(
      "identity, maps of a chain of 4 in the ring", unit: "", predicted: 4,
      measured: Double(plain[.maps]) / Double(Self.batch * Self.rounds))
    let bounced = try Self.count(.swiotlb, chain: 4, isIndirect: true, bench)
    result.count(
      "swiotlb, bytes copied in of an indirect chain of 4", unit: "bytes", predicted: Double(Self.bytes + 4 * 16),
      measured: Double(bounced[.bytesCopiedIn]) / Double(Self.batch * Self.rounds))
    try addPrice(&result)
    result.conclude(
      result.countsAreExact,
      result.countsAreExact
        ? "a chain of n counts n + 1 maps on every path that maps or bounces, and its table is copied where all is "
          + "bounced"
        : "the counts are not n + 1")
    return result
  }

  /// The work of 4,080 chains over a real ring on one thread.
  static func count(
    _ path: DMAPath, chain: Int, isIndirect: Bool, _ bench: ShapeBench
  ) throws(BenchError) -> WorkCounts {
    try bench.count(bench.key(path, bytes: bytes), rounds: rounds) {
      set(&$0, chain: chain, isIndirect: isIndirect)
    }
  }

  private static func set(_ cost: inout CostParameters, chain: Int, isIndirect: Bool) {
    cost.batch = batch
    // A chain of 16 in the ring itself takes that many of its descriptors.
    cost.depth = batch
    cost.chain = chain
    cost.features = isIndirect ? [.indirect] : []
  }

  /// A chain of 4 through a table, and in the ring: what the table costs on each path.
  private func addPrice(_ result: inout ShapeResult) throws(BenchError) {
    let paths = [DMAPath.direct, .identity, .iommuStrict, .swiotlb]
    var timed: [BenchCase] = []
    for path in paths {
      for isIndirect in [true, false] {
        let benchCase = try bench.make(bench.key(path, bytes: Self.bytes)) { cost in
          Self.set(&cost, chain: 4, isIndirect: isIndirect)
          cost.touch = .none
        }
        timed.append(benchCase)
      }
    }
    // One more map of 64 bytes.
    for path in paths {
      let benchCase = try bench.make(bench.key(path, bytes: 64), form: .mapping) {
        Self.set(&$0, chain: 1, isIndirect: false)
      }
      timed.append(benchCase)
    }
    let run = try bench.run(timed: timed, bench.cost)
    result.conditions = run.conditions
    let seed = bench.parameters.seed
    let bare = run.difference(0, from: 1, seed: seed)?.median
    for (index, path) in paths.enumerated() {
      let map = run.difference(2 * paths.count + index, from: 2 * paths.count, seed: seed)?.median
      result.add(
        "\(path.name), a table of 4 against 4 descriptors", unit: "ns",
        predicted: path == .direct ? nil : bare.flatMap { bare in map.map { bare + $0 } },
        measured: run.difference(2 * index, from: 2 * index + 1, seed: seed))
    }
  }
}
#endif
