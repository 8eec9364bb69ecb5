public import RingKit

/// Another DMA path that fails when a plan says so, and keeps an account of what is mapped.
///
///     let plan = FaultPlan()
///     plan.failingMap = 3
///     var queue = try Virtqueue(split: 8, in: memory, over: FaultInjectingMapper(SwiotlbMapper(memory), plan: plan))
///
/// A map that is made to fail does not reach the path below. An unmap that is made to fail does: the mapping is gone,
/// and only the caller is told otherwise, as after an invalidation that timed out. Owned by one thread.
public struct FaultInjectingMapper<Base: DMAMapper & ~Copyable>: DMAMapper, ~Copyable {
  /// What an unmap needs: the path's own mapping, and its number in the account.
  public struct Mapping: BitwiseCopyable {
    let base: Base.Mapping
    let number: UInt64
    let isWritable: Bool
    let byteCount: UInt32
  }

  /// When it fails, and the account.
  public let plan: FaultPlan
  private var base: Base

  /// A mapper that does what `base` does until `plan` says otherwise.
  public init(_ base: consuming Base, plan: FaultPlan) {
    self.base = base
    self.plan = plan
  }

  /// What the path below and the queue around it did.
  public var work: Base.Counter {
    get { base.work }
    set { base.work = newValue }
  }

  /// What the path beneath has.
  public static var isTrusted: Bool { Base.isTrusted }

  /// A mapping that was never made; an unmap of it counts as a double one.
  public static var unmapped: Mapping {
    Mapping(base: Base.unmapped, number: 0, isWritable: false, byteCount: 0)
  }

  /// Maps as the path below does, unless it is this call's turn to fail.
  ///
  /// - Throws: what the plan says, or as the path below.
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Mapping) {
    if let error = plan.nextMap() { throw error }
    let (address, mapping) = try base.map(segment, direction)
    return (address, enter(mapping, segment, direction))
  }

  /// Unmaps as the path below does, and then fails if it is this call's turn.
  ///
  /// - Returns: the segment's share of the written bytes, also where the path below copies all or nothing.
  /// - Throws: what the plan says, or as the path below; `DMAError.custom` for a mapping that was undone before.
  public mutating func unmap(
    _ mapping: Mapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let failure = plan.nextUnmap(direction, written: written)
    if mapping.isWritable != (direction == .deviceWritable) { plan.wrongDirections += 1 }
    guard plan.outstanding.remove(mapping.number) != nil else {
      plan.doubleUnmaps += 1
      throw .custom(CustomDMAError("a mapping was undone twice, number", mapping.number))
    }
    _ = try base.unmap(mapping.base, direction, written: written)
    if let failure { throw failure }
    return min(written, mapping.byteCount)
  }

  /// As the path below.
  public mutating func poll() throws(DMAError) { try base.poll() }

  /// As the path below.
  public mutating func flush() throws(DMAError) { try base.flush() }

  private func enter(_ mapping: Base.Mapping, _ segment: MemorySegment, _ direction: DMADirection) -> Mapping {
    Mapping(
      base: mapping, number: plan.enter(), isWritable: direction == .deviceWritable, byteCount: segment.length)
  }
}

extension FaultInjectingMapper: PairedPath where Base: PairedPath & ~Copyable {
  /// The device's side of the path below.
  public func makeTranslator() -> Base.Translator { base.makeTranslator() }
}

extension FaultInjectingMapper: ResumableMapper where Base: ResumableMapper & ~Copyable {
  /// As the path below.
  public func address(of mapping: Mapping, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    try base.address(of: mapping.base, segment)
  }

  /// As the path below; never made to fail.
  public mutating func resume(
    _ segment: MemorySegment, _ direction: DMADirection, at address: IOVA
  ) throws(DMAError) -> Mapping {
    enter(try base.resume(segment, direction, at: address), segment, direction)
  }
}

/// When a ``FaultInjectingMapper`` fails, and its account of what is mapped.
///
/// Outlives the mapper, so that a test can look at the account when a queue has swallowed the mapper. Owned by the
/// mapper's thread while that runs; another thread may use it once they are synchronised (joined, say).
public final class FaultPlan: @unchecked Sendable {
  /// The map call that fails, counted from 1 on; `nil` for none.
  public var failingMap: Int?
  /// The unmap call that fails, counted from 1 on; `nil` for none.
  public var failingUnmap: Int?
  /// What a map throws that is made to fail; `nil` for a `DMAError.custom` with the call's number.
  public var mapError: DMAError?
  /// What an unmap throws that is made to fail; `nil` for a `DMAError.custom` with the call's number.
  public var unmapError: DMAError?
  /// Calls to map so far, failed ones among them.
  public private(set) var maps = 0
  /// Calls to unmap so far, failed ones among them.
  public private(set) var unmaps = 0
  /// Attempts to undo a mapping that was undone before, or never made.
  public internal(set) var doubleUnmaps = 0
  /// Mappings that were undone with another direction than they were made with.
  public internal(set) var wrongDirections = 0
  /// What the queue told of each unmap, in order: device-writable or not, and the bytes said to be written.
  package var told: [Told] = []

  package struct Told: Equatable {
    package var isWritable: Bool
    package var written: UInt32

    package init(isWritable: Bool, written: UInt32) {
      self.isWritable = isWritable
      self.written = written
    }
  }

  /// A chance of 1 in so many, from a seed.
  private struct Chance {
    let odds: UInt64
    var random: SeededGenerator

    init(_ odds: Int, _ seed: UInt64) {
      precondition(odds > 0, "one call in \(odds) is no chance; 1 fails every call")
      self.odds = UInt64(odds)
      random = SeededGenerator(seed: seed)
    }

    mutating func strikes() -> Bool { random.next() % odds == 0 }
  }

  // Numbers of the mappings not undone.
  var outstanding: Set<UInt64> = []
  private var lastNumber: UInt64 = 0
  private var mapChance: Chance?
  private var unmapChance: Chance?

  /// A plan in which nothing fails.
  public init() {}

  /// Mappings not undone.
  public var outstandingCount: Int { outstanding.count }

  /// Makes each map from now on fail with a chance of 1 in `odds`; the same calls for the same seed.
  public func failMaps(oneIn odds: Int, seed: UInt64) { mapChance = Chance(odds, seed) }

  /// Makes each unmap from now on fail with a chance of 1 in `odds`; the same calls for the same seed.
  public func failUnmaps(oneIn odds: Int, seed: UInt64) { unmapChance = Chance(odds, seed) }

  /// Makes nothing fail from now on; the account stays.
  public func failNothing() {
    (failingMap, failingUnmap) = (nil, nil)
    (mapChance, unmapChance) = (nil, nil)
  }

  func enter() -> UInt64 {
    lastNumber += 1
    outstanding.insert(lastNumber)
    return lastNumber
  }

  func nextMap() -> DMAError? {
    maps += 1
    let strikes = mapChance?.strikes() ?? false
    guard maps == failingMap || strikes else { return nil }
    return mapError ?? .custom(CustomDMAError("a map was made to fail, call", UInt64(maps)))
  }

  func nextUnmap(_ direction: DMADirection, written: UInt32) -> DMAError? {
    unmaps += 1
    // The last few are all a test looks at.
    if told.count > 64 { told.removeAll() }
    told.append(Told(isWritable: direction == .deviceWritable, written: written))
    let strikes = unmapChance?.strikes() ?? false
    guard unmaps == failingUnmap || strikes else { return nil }
    return unmapError ?? .custom(CustomDMAError("an unmap was made to fail, call", UInt64(unmaps)))
  }
}
