import RingIOMMU
import RingKit
import RingTestSupport
import TestTraits
import Testing

/// The suites of the rings, over the paths behind an IOMMU.
@Suite("Rings behind an IOMMU")
struct RingTests {
  @Test("chains of every shape carry their bytes both ways, with the written length", arguments: DMAPath.iommu)
  func shapes(path: DMAPath) throws { try Conformance.shapes(on: path) }

  @Test("batches of every size, completed in any order the ring allows", arguments: DMAPath.iommu)
  func batches(path: DMAPath) throws { try Conformance.batches(on: path) }

  @Test(
    "a full ring is a value: nothing is mapped, and it goes on when one buffer is back", arguments: DMAPath.iommu)
  func full(path: DMAPath) throws { try Conformance.fullRing(on: path) }

  @Test("a reset returns every token once, oldest first, and unmaps", arguments: DMAPath.iommu)
  func reset(path: DMAPath) throws { try Conformance.reset(on: path) }

  @Test("every way of adding, serving and reclaiming, mixed at random", arguments: DMAPath.iommu)
  func mixed(path: DMAPath) throws { try Conformance.mixedBatches(on: path) }

  @Test(
    "a domain behind several queues, a driver thread each and one thread for all devices",
    arguments: RingLayout.allCases, [true, false])
  func sharedDomain(layout: RingLayout, isStrict: Bool) throws {
    for queues in [2, 3] {
      let guest = try SeveralQueues.Guest(queues: queues, areas: 1)
      var configuration = IOMMUConfiguration()
      configuration.cpuCount = queues
      configuration.flushInterval = 100_000
      let domain = IOMMUDomain(memory: guest.memory, configuration: configuration)
      let queuesEnds = try (0..<queues).map { queue in
        try SeveralQueues.ends(
          layout, guest.parts[queue],
          IOMMUMapper(domain: domain, policy: isStrict ? .strict : .lazy, cpu: queue, counter: CountedWork()),
          IOMMUTranslator(domain: domain, counter: CountedWork()))
      }
      let work = SeveralQueues.exchange(queuesEnds, guest)
      let total = UInt64(queues * SeveralQueues.buffers)
      #expect(work[.maps] == total && work[.unmaps] == total)
      if isStrict { #expect(work[.invalidations] == total) }
    }
  }
}

@Suite("What the device may not reach")
struct ProtectionTests {
  @Test("an access outside what is mapped faults", arguments: DMAPath.iommu)
  func outside(path: DMAPath) throws { try Conformance.accessOutside(on: path) }

  @Test("what may only be read is not written", arguments: DMAPath.iommu.filter { $0.protection == .mapping })
  func direction(path: DMAPath) throws { try Conformance.direction(on: path) }
}

@Suite("The sentinel test")
struct HybridSentinelTests {
  @Test(
    "no private byte beside a short segment reaches the shadow buffers of hybrid", arguments: SentinelGuest.Mix.allCases
  )
  func hybrid(mix: SentinelGuest.Mix) throws {
    let guest = try SentinelGuest(sharedByteCount: ShadowMapper<UncountedWork>.byteCount(slots: 8, slotByteCount: 2048))
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: guest.memory, configuration: configuration)
    let window = try PremappedBuffer(guest.shared, domain: domain)
    var mapper = HybridMapper(
      threshold: HybridThreshold(1000),
      copying: try ShadowMapper(
        memory: guest.memory, buffer: guest.shared, slotByteCount: 2048, window: window, counter: CountedWork()),
      mapping: IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork()))
    // What is mapped is reached in place, and by whole pages: that is not this test's.
    try guest.exercise(&mapper, mix, longest: 1500, "hybrid") { $0 < 1000 ? window.address.rawValue : nil }
  }
}

@Suite("Both ends on threads of their own, behind an IOMMU", .serialized, .oneAtATime)
struct RingStressTests {
  private static let cases = PeerCase.stress(over: DMAPath.iommu)
  private static let total = Environment.buffers(standard: 1_700_000)

  @Test("S19, P15: nothing is seen before it is written: layout × in-order × path", arguments: cases)
  func stress(_ what: PeerCase) throws {
    let share = Self.total / (10 * Self.cases.count)
    try PeerRun(what, buffers: what.path.entersTheKernel ? share / 20 : share).exchange()
  }
}
