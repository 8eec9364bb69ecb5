import RingIOMMU
import RingKit
import TestTraits
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

@Suite struct PrimitiveTests {
  @Test func primitivesCoverTheEndsOfTheSizes() {
    let all = (6...19).map { 1 << $0 }
    let sizes = PrimitiveCases.sizes(all)
    #expect(sizes.first == 64 && sizes.last == 262_144)
    #expect(sizes.count <= 7)
    #expect(PrimitiveCases.sizes([1_500, 300_000]) == [1_500])
  }

  // Linux's swiotlb copies a device-writable buffer in and out; a shadow buffer copies once.
  @Test func copiesAreThoseOfThePath() {
    #expect(DMAPath.swiotlb.copies(.deviceReadable) == 1)
    #expect(DMAPath.swiotlb.copies(.deviceWritable) == 2)
    #expect(DMAPath.direct.copies(.deviceReadable) == nil)
    #expect(DMAPath.iommuStrict.maps && DMAPath.iommuLazy.maps && !DMAPath.premapped.maps)
  }

  /// The real code at the real locks: nothing is said of times, only that all of it runs and counts.
  @Test(.oneAtATime) func primitivesAndChecksComeFromTheRealLocks() throws {
    let cpus = Machine.read().cpus
    let table = try PrimitiveMeasurement(driverCPU: cpus[0], deviceCPU: nil).run()
    for name in Primitive.allCases where name != .lineTransfer { #expect(table[name].source == .measured) }
    #expect(table[.lineTransfer].source == .unknown)
    for model in LockCheck.models {
      let samples = try LockCheck(cpus: Array(cpus.prefix(2))).measure(model, repeats: 1)
      #expect(!samples.isEmpty && samples.allSatisfy { $0.operationsPerSecond > 0 })
      #expect(cpus.count == 1 || samples.allSatisfy { $0.transfer > 0 })
    }
  }
}
