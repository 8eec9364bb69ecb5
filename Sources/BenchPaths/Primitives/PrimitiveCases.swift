import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform

/// The cases that tell what mapping and copying cost alone, beside the rings of a run.
package struct PrimitiveCases {
  private static let mostSizes = 7
  private static let largestCopy = SwiotlbPool.maximumMappingByteCount

  package private(set) var keys: [PrimitiveKey] = []
  package private(set) var cases: [BenchCase] = []

  /// Primitives for every pair of a copying and a mapping path; none where there is no such pair.
  package init(_ factory: inout CaseFactory) throws(BenchError) {
    let parameters = factory.parameters
    let copying = parameters.measuredPaths.filter { $0.copies(.deviceReadable) != nil }
    let mapping = parameters.measuredPaths.filter(\.maps)
    guard !copying.isEmpty, !mapping.isEmpty, let ring = parameters.rings.first,
      let smallest = parameters.sizes.min()
    else { return }
    let sizes = Self.sizes(parameters.sizes)
    factory.form = .mapping
    defer { factory.form = .ring }
    for path in mapping {
      for bytes in sizes {
        let key = CostKey(ring: ring, path: path, direction: .deviceReadable, bytes: bytes)
        add(PrimitiveKey(kind: .mapping(path), bytes: bytes), try factory.make(key))
      }
    }
    for path in copying where smallest <= Self.largestCopy {
      let key = CostKey(ring: ring, path: path, direction: .deviceReadable, bytes: smallest)
      add(PrimitiveKey(kind: .mapping(path), bytes: smallest), try factory.make(key))
    }
    try addCopies(factory, sizes, copying)
  }

  private mutating func addCopies(
    _ factory: CaseFactory, _ sizes: [Int], _ copying: [DMAPath]
  ) throws(BenchError) {
    let source = factory.guest.privatePayload ?? factory.guest.sharedPayload
    var targets: [(PrimitiveKey.Kind, GuestBuffer)] = []
    // Between two slices no slot of the pool is in use.
    if copying.contains(where: \.walksPool), let pool = factory.guest.pool {
      targets.append((.copyToPool, pool.buffer))
    }
    if copying.contains(where: { !$0.walksPool }), let largest = sizes.last {
      let byteCount = max(4096, Payload.stride(for: largest)) * factory.parameters.depth
      if let shadow = factory.guest.shadow, shadow.byteCount >= byteCount {
        // What a path of these copies to; it has none of it while this runs.
        targets.append((.copyInPlace, shadow))
      } else {
        do throws(MemoryError) {
          let region = try MemoryRegion(
            at: GuestPhysicalAddress(64 << 30), byteCount: byteCount, node: factory.parameters.payloadNode)
          targets.append((.copyInPlace, GuestBuffer(whole: region)))
        } catch { throw .machine("no memory to copy into: \(error)") }
      }
    }
    for (kind, target) in targets {
      for bytes in sizes {
        let plan = LoadPlan(
          direction: .deviceReadable, bytes: bytes, depth: factory.parameters.depth, batch: factory.parameters.batch,
          touch: .none, segments: 1, payload: PayloadPool(source, bytes: bytes))
        let key = PrimitiveKey(kind: kind, bytes: bytes)
        let used =
          kind == .copyToPool
          ? target : target.slice(at: 0, byteCount: max(4096, Payload.stride(for: bytes)) * plan.depth)
        add(key, .copying("\(key.name), \(bytes) bytes", plan, to: used))
      }
    }
  }

  private mutating func add(_ key: PrimitiveKey, _ benchCase: BenchCase) {
    benchCase.limitWork(key.path, bytes: key.bytes)
    keys.append(key)
    cases.append(benchCase)
  }

  /// At most so many of the sizes that a bounce can be, the smallest and the largest of them included.
  static func sizes(_ all: [Int]) -> [Int] {
    let possible = all.filter { $0 <= largestCopy }.sorted()
    guard possible.count > mostSizes else { return possible }
    return (0..<mostSizes).map { possible[$0 * (possible.count - 1) / (mostSizes - 1)] }
  }
}
