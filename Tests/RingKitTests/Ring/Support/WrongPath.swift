import RingKit

/// What a wrong path returns, and what it was asked.
final class WrongPlan {
  /// What to make of the next translations; those after them are right.
  var answers: [(HostRange) -> HostRange] = []
  var last: (address: IOVA, range: HostRange, limit: UInt64)?
  /// The address of every mapping after so many right ones.
  var address: IOVA?
  var honestMaps = 0
  /// The count of every unmap after so many that return 0.
  var count: UInt32 = 0
  var honestUnmaps = 0
  var maps = 0
  var unmaps = 0
}

struct WrongPath: PairedPath, ResumableMapper, ~Copyable {
  private let (memory, plan): (GuestMemory, WrongPlan)
  private var base: DirectMapper<UncountedWork>

  init(_ memory: GuestMemory, _ plan: WrongPlan) {
    (self.memory, self.plan) = (memory, plan)
    base = DirectMapper(memory)
  }

  var work: UncountedWork {
    get { base.work }
    set { base.work = newValue }
  }

  static var unmapped: Void { () }

  func makeTranslator() -> WrongTranslator { WrongTranslator(base.makeTranslator(), plan) }

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Void) {
    let right = try base.map(segment, direction)
    plan.maps += 1
    if plan.honestMaps > 0 {
      plan.honestMaps -= 1
      return right
    }
    return (plan.address ?? right.address, ())
  }

  mutating func unmap(_ mapping: Void, _ direction: DMADirection, written: UInt32) throws(DMAError) -> UInt32 {
    plan.unmaps += 1
    if plan.honestUnmaps > 0 {
      plan.honestUnmaps -= 1
      return 0
    }
    return plan.count
  }

  mutating func poll() throws(DMAError) {}
  mutating func flush() throws(DMAError) {}

  func address(of mapping: Void, _ segment: MemorySegment) throws(DMAError) -> IOVA {
    if let address = plan.address { return address }
    return try base.address(of: mapping, segment)
  }

  mutating func resume(_ segment: MemorySegment, _ direction: DMADirection, at address: IOVA) throws(DMAError) {
    try base.resume(segment, direction, at: address)
  }
}

struct WrongTranslator: DMATranslator, ~Copyable {
  private var base: RegionTranslator<UncountedWork>
  private let plan: WrongPlan

  init(_ base: consuming RegionTranslator<UncountedWork>, _ plan: WrongPlan) {
    self.base = base
    self.plan = plan
  }

  var work: UncountedWork {
    get { base.work }
    set { base.work = newValue }
  }

  mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let right = try base.translate(address, byteCount: byteCount, for: access)
    if plan.answers.isEmpty { return right }
    let wrong = plan.answers.removeFirst()(right)
    plan.last = (address, wrong, byteCount)
    return wrong
  }

  mutating func service() {}
  mutating func shareThread(_ isShared: Bool) {}
}
