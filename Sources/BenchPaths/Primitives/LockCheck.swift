import BenchPlan
import CRing
import RingIOMMU
import RingKit
import RingPlatform
import Synchronization

/// Real threads at the real locks, as many as there are CPUs for: what a prediction is held against.
package struct LockCheck {
  // On a machine that moves its CPUs some repeats begin in one class and end in another.
  private static let attemptsPerRepeat = 3
  private static let probeMilliseconds = 8
  private static let nanoseconds: UInt64 = 20_000_000
  private static let bytes = 1_500
  // Operations between two looks at the clock.
  private static let turn = PrimitiveMeasurement.batch

  /// What a thread does of a model's operation: the locked parts and the copy, without the ring around them.
  package static let leftOut: [Primitive] = [.driver, .pageTable, .serve]
  /// Models whose locks need no third thread.
  package static let models: [LockModel] = [
    .swiotlbOneArea, .swiotlbPerCPU, .iovaMagazines, .iovaTree, .invalidationStrict,
  ]

  let cpus: [Int]

  package init(cpus: [Int]) { self.cpus = cpus }

  /// Operations a second of all threads together in several short runs, each with the line's transfer around it.
  package func measure(_ model: LockModel, repeats: Int = 9) throws(BenchError) -> [LockSample] {
    let work = try operation(model)
    var samples: [LockSample] = []
    var moved: [LockSample] = []
    var before = try transfer()
    for _ in 0..<(repeats * Self.attemptsPerRepeat) where samples.count < repeats {
      if Interrupt.isRequested { break }
      let rate = try rate(work)
      let after = try transfer()
      let sample = LockSample(operationsPerSecond: rate, transfer: (before + after) / 2)
      if max(before, after) <= 1.5 * min(before, after) { samples.append(sample) } else { moved.append(sample) }
      before = after
    }
    return samples.isEmpty ? moved : samples
  }

  /// Nanoseconds of a line from one of the two CPUs to the other; 0 for one alone.
  private func transfer() throws(BenchError) -> Double {
    guard cpus.count == 2 else { return 0 }
    let trips = try RoundTripProbe.sample(driver: cpus[0], device: cpus[1], milliseconds: Self.probeMilliseconds)
    return (Percentile.median(trips) ?? 0) / 2
  }

  private func rate(_ work: @escaping @Sendable (_ thread: Int) -> Void) throws(BenchError) -> Double {
    let start = Start(threads: cpus.count)
    var threads: [PinnedThread<Double>] = []
    do {
      for (number, cpu) in cpus.enumerated() {
        threads.append(
          try PinnedThread(cpu: cpu) {
            start.wait()
            let begin = cring_nanoseconds()
            var done = 0
            var now = begin
            while now &- begin < Self.nanoseconds {
              work(number)
              done += Self.turn
              now = cring_nanoseconds()
            }
            return Double(done) / Double(now &- begin) * 1e9
          })
      }
    } catch {
      start.release()
      for thread in threads { _ = thread.join() }
      throw error
    }
    return threads.map { $0.join() }.reduce(0, +)
  }

  private func operation(_ model: LockModel) throws(BenchError) -> @Sendable (Int) -> Void {
    do {
      switch model {
      case .swiotlbOneArea, .swiotlbPerCPU: return try bounce(areas: model == .swiotlbOneArea ? 1 : cpus.count)
      case .iovaMagazines, .iovaDepot, .invalidationLazy: return try range(pages: 1)
      case .iovaTree: return try range(pages: 64)
      // No device is attached: posting under the lock is all there is, beside the magazines.
      case .invalidationStrict: return try range(pages: 1, asks: true)
      }
    } catch { throw .machine("the locks of \(model.name) cannot be set up: \(error)") }
  }

  private func bounce(areas: Int) throws -> @Sendable (Int) -> Void {
    let region = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: 64 << 20)
    let payload = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: cpus.count * 2_048)
    let memory = try GuestMemory([payload, region])
    var allocator = RegionAllocator(region)
    let pool = try SwiotlbPool(allocator.allocate(64 << 20, alignment: 4096), areaCount: areas)
    let base = payload.guestBase.rawValue
    let mappers = (0..<cpus.count).map {
      Box(SwiotlbMapper(memory: memory, pool: pool, cpu: $0, counter: UncountedWork()))
    }
    let own = Owned(mappers)
    return { thread in
      let segment = MemorySegment(
        GuestPhysicalAddress(base + UInt64(thread * 2_048)), length: UInt32(Self.bytes))
      Self.bounce(&own.values[thread].value, segment)
    }
  }

  // A whole turn behind one access: a check for exclusive access at each operation would cost as much as a magazine
  // does.
  private static func bounce(_ mapper: inout SwiotlbMapper<UncountedWork>, _ segment: MemorySegment) {
    for _ in 0..<turn {
      guard let mapped = try? mapper.map(segment, .deviceReadable) else { return }
      try? mapper.unmap(mapped.mapping, .deviceReadable)
    }
  }

  /// As many ranges out as when the primitive was timed: each turn gives all back and takes as many.
  private func range(pages: UInt64, asks: Bool = false) throws -> @Sendable (Int) -> Void {
    let domain = try domain()
    let live = try (0..<cpus.count).map { cpu in
      Box(try (0..<Self.turn).map { _ in try domain.takeRange(pages: pages, cpu: cpu) })
    }
    let own = Owned(live)
    return { thread in Self.exchange(&own.values[thread].value, domain, pages, thread, asks) }
  }

  private static func exchange(
    _ ranges: inout [UInt64], _ domain: IOMMUDomain, _ pages: UInt64, _ cpu: Int, _ asks: Bool
  ) {
    for page in ranges {
      if asks { try? domain.invalidate(page) }
      domain.giveRange(page, pages: pages, cpu: cpu)
    }
    for i in ranges.indices {
      guard let page = try? domain.takeRange(pages: pages, cpu: cpu) else { continue }
      ranges[i] = page
    }
  }

  private func domain() throws -> IOMMUDomain {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 4_096)
    var configuration = IOMMUConfiguration()
    configuration.cpuCount = cpus.count
    return IOMMUDomain(memory: try GuestMemory([region]), configuration: configuration)
  }

  /// A value for each thread, used by that thread alone.
  private final class Owned<Value: ~Copyable>: @unchecked Sendable {
    let values: [Box<Value>]
    init(_ values: [Box<Value>]) { self.values = values }
  }

  /// All threads begin together.
  private final class Start: Sendable {
    private let missing: Atomic<Int>
    init(threads: Int) { missing = Atomic(threads) }
    func wait() {
      missing.wrappingSubtract(1, ordering: .acquiringAndReleasing)
      while missing.load(ordering: .acquiring) > 0 { cring_spin_hint() }
    }
    func release() { missing.store(0, ordering: .releasing) }
  }
}
