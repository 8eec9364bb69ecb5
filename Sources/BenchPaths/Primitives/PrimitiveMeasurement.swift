import BenchPlan
import CRing
import RingIOMMU
import RingKit
import RingPlatform

/// Times each primitive: the real code, on one thread, with no other thread at its locks.
///
/// What is held under a lock is timed from outside, taking and releasing the lock included.
package struct PrimitiveMeasurement {
  private static let rounds = 200
  /// Ranges or slots that are out at a time.
  static let batch = 64
  private static let bytes = 1_500

  private let driverCPU: Int
  private let deviceCPU: Int?

  /// `deviceCPU`: the other end of the line's transfer; `nil` on a machine of one CPU.
  package init(driverCPU: Int, deviceCPU: Int?) {
    self.driverCPU = driverCPU
    self.deviceCPU = deviceCPU
  }

  package func run() throws(BenchError) -> PrimitiveTable {
    let thread = try PinnedThread(cpu: driverCPU) { () -> Result<[Primitive: Double], BenchError> in
      do throws(BenchError) { return .success(try Self.measure()) } catch { return .failure(error) }
    }
    let measured: [Primitive: Double]
    switch thread.join() {
    case .success(let times): measured = times
    case .failure(let error): throw error
    }
    var table = PrimitiveTable()
    for (name, time) in measured { table[name] = PrimitiveCost(nanoseconds: max(time, 0), source: .measured) }
    if let deviceCPU {
      let trips = try RoundTripProbe.sample(driver: driverCPU, device: deviceCPU, milliseconds: 400)
      if let median = Percentile.median(trips) {
        table[.lineTransfer] = PrimitiveCost(nanoseconds: median / 2, source: .measured)
      }
    }
    return table
  }

  private static func measure() throws(BenchError) -> [Primitive: Double] {
    do {
      var times = try swiotlb()
      times.merge(try iova()) { $1 }
      times[.driver] = try driver()
      return times
    } catch {
      throw error as? BenchError ?? .machine("a primitive cannot be timed: \(error)")
    }
  }

  /// The median over rounds of what one of a batch takes.
  private static func time(_ body: () throws -> Void, setUp: () throws -> Void = {}) rethrows -> Double {
    var samples: [Double] = []
    for _ in 0..<rounds where samples.isEmpty || !Interrupt.isRequested {
      try setUp()
      let start = cring_nanoseconds()
      try body()
      samples.append(Double(cring_nanoseconds() &- start) / Double(batch))
    }
    return Percentile.median(samples) ?? 0
  }

  private static func swiotlb() throws -> [Primitive: Double] {
    let payload = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: batch * 2_048)
    let bounce = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: 64 << 20)
    let memory = try GuestMemory([payload, bounce])
    var allocator = RegionAllocator(bounce)
    let pool = try SwiotlbPool(allocator.allocate(64 << 20, alignment: 4096))
    var slots: [UInt32] = []
    let take = time(
      {
        for _ in 0..<batch { if let slot = pool.takeSlots(UInt32(bytes), cpu: 0) { slots.append(slot) } }
      },
      setUp: {
        for slot in slots { pool.giveSlots(slot, UInt32(bytes)) }
        slots.removeAll(keepingCapacity: true)
      })
    let give = time(
      { for slot in slots { pool.giveSlots(slot, UInt32(bytes)) } },
      setUp: {
        slots.removeAll(keepingCapacity: true)
        for _ in 0..<batch { if let slot = pool.takeSlots(UInt32(bytes), cpu: 0) { slots.append(slot) } }
      })
    var mapper = SwiotlbMapper(memory: memory, pool: pool, cpu: 0, counter: UncountedWork())
    let segment = MemorySegment(payload.guestBase, length: UInt32(bytes))
    func mapAndUnmap(_ count: Int) throws {
      for _ in 0..<count {
        try mapper.unmap(try mapper.map(segment, .deviceReadable).mapping, .deviceReadable)
      }
    }
    // Once through the whole pool: from then on every slot is as cold, and its lines as dirty, as in a guest that runs.
    try mapAndUnmap(pool.slotCount)
    let both = try time({ try mapAndUnmap(batch) })
    return [.swiotlbTake: take, .swiotlbGive: give, .copy: both - take - give]
  }

  private static func iova() throws -> [Primitive: Double] {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: batch * 4_096)
    let memory = try GuestMemory([region])
    var configuration = IOMMUConfiguration()
    configuration.cpuCount = 2
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: memory, configuration: configuration)
    let magazine = try takeAndGive(domain, pages: 1)
    let tree = try takeAndGive(domain, pages: 64)
    // Taken on one CPU and freed on another, more than two magazines hold: beside the magazines only the depot is new.
    let pages = 127 * 8
    var ranges: [UInt64] = []
    func cross() throws {
      ranges.removeAll(keepingCapacity: true)
      for _ in 0..<pages { ranges.append(try domain.takeRange(pages: 1, cpu: 0)) }
      for page in ranges { domain.giveRange(page, pages: 1, cpu: 1) }
    }
    for _ in 0..<4 { try cross() }
    let crossing = try time(cross) * Double(batch) / Double(pages)
    // A pop and a push for each 127 ranges.
    let depot = (crossing - magazine.take - magazine.give) * 127 / 2
    let post = try time { for page in 1...UInt64(batch) { try domain.invalidate(page) } }
    let segments = (0..<batch).map {
      MemorySegment(GuestPhysicalAddress(1 << 30 + UInt64($0) * 4_096), length: UInt32(bytes))
    }
    var mapper = IOMMUMapper(domain: domain, policy: .strict, counter: UncountedWork())
    var mappings: [IOMMUMapping] = []
    let round = try time {
      for segment in segments { mappings.append(try mapper.map(segment, .deviceReadable).mapping) }
      for mapping in mappings { try mapper.unmap(mapping, .deviceReadable) }
      mappings.removeAll(keepingCapacity: true)
    }
    let translator = IOMMUTranslator(domain: domain, counter: UncountedWork())
    let served = try time { for page in 1...UInt64(batch) { try domain.invalidate(page) } }
    _ = consume translator
    return [
      .magazineTake: magazine.take, .magazineGive: magazine.give, .treeTake: tree.take, .treeGive: tree.give,
      .depot: depot, .post: post, .serve: served - post, .pageTable: round - magazine.take - magazine.give - post,
    ]
  }

  private static func takeAndGive(_ domain: IOMMUDomain, pages: UInt64) throws -> (take: Double, give: Double) {
    var ranges: [UInt64] = []
    let take = try time(
      { for _ in 0..<batch { ranges.append(try domain.takeRange(pages: pages, cpu: 0)) } },
      setUp: {
        for page in ranges { domain.giveRange(page, pages: pages, cpu: 0) }
        ranges.removeAll(keepingCapacity: true)
      })
    let give = try time(
      { for page in ranges { domain.giveRange(page, pages: pages, cpu: 0) } },
      setUp: {
        ranges.removeAll(keepingCapacity: true)
        for _ in 0..<batch { ranges.append(try domain.takeRange(pages: pages, cpu: 0)) }
      })
    return (take, give)
  }

  /// The driver's part of a ring without a path: both ends on this thread.
  private static func driver() throws(BenchError) -> Double {
    var parameters = CostParameters()
    parameters.rings = [.split]
    parameters.paths = [.direct]
    parameters.sizes = [bytes]
    parameters.directions = [.deviceReadable]
    var factory = CaseFactory(parameters: parameters, guest: try BenchGuest(parameters))
    let benchCase = try factory.make(
      CostKey(ring: .split, path: .direct, direction: .deviceReadable, bytes: bytes))
    defer { benchCase.close() }
    do throws(SliceFailure) {
      let best = try benchCase.runOnOneThread(5_000)
      return (best.add + best.reclaim) / Double(parameters.batch)
    } catch { throw .check("direct on one thread: \(error.text)") }
  }
}
