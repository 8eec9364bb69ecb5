import RingKit

// A path behind calls that are not inlined, for one whose price is far above a call's, or whose device is in another
// process. The rings' loops are compiled once for all of them. A call costs some 3 ns.

/// The driver's side of such a path.
struct CalledMapper<Counter: WorkCounter>: DMAMapper, ~Copyable {
  private let mapSegment: (MemorySegment, DMADirection) throws(DMAError) -> (address: IOVA, mapping: CalledMapping)
  private let unmapSegment: (CalledMapping, DMADirection, UInt32) throws(DMAError) -> UInt32
  private let pollPath: () throws(DMAError) -> Void
  private let flushPath: () throws(DMAError) -> Void
  private let getWork: () -> Counter
  private let setWork: (Counter) -> Void

  /// Compiled once for each path.
  init<Base: DMAMapper & ~Copyable>(_ base: consuming Base) where Base.Counter == Counter {
    let base = Box(base)
    mapSegment = { segment, direction throws(DMAError) in
      let (address, mapping) = try base.value.map(segment, direction)
      return (address, CalledMapping(mapping))
    }
    unmapSegment = { mapping, direction, written throws(DMAError) in
      try base.value.unmap(mapping.value(as: Base.Mapping.self), direction, written: written)
    }
    pollPath = { () throws(DMAError) in try base.value.poll() }
    flushPath = { () throws(DMAError) in try base.value.flush() }
    getWork = { base.value.work }
    setWork = { base.value.work = $0 }
  }

  var work: Counter {
    get { Counter.isCounting ? getWork() : Counter() }
    set { if Counter.isCounting { setWork(newValue) } }
  }

  static var isTrusted: Bool { true }

  static var unmapped: CalledMapping { CalledMapping() }

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: CalledMapping) { try mapSegment(segment, direction) }

  mutating func unmap(
    _ mapping: CalledMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 { try unmapSegment(mapping, direction, written) }

  mutating func poll() throws(DMAError) { try pollPath() }

  mutating func flush() throws(DMAError) { try flushPath() }
}

/// Room for any path's mapping.
struct CalledMapping: BitwiseCopyable {
  private var words = InlineArray<5, UInt64>(repeating: 0)

  init() {}

  init<Mapping: BitwiseCopyable>(_ mapping: Mapping) {
    precondition(MemoryLayout<Mapping>.size <= MemoryLayout<Self>.size, "no path keeps more than 40 bytes a mapping")
    // SAFETY: the mapping fits, as checked.
    unsafe withUnsafeMutableBytes(of: &words) { unsafe $0.storeBytes(of: mapping, as: Mapping.self) }
  }

  func value<Mapping: BitwiseCopyable>(as type: Mapping.Type) -> Mapping {
    // SAFETY: written by the initializer above, for the same path.
    unsafe withUnsafeBytes(of: words) { unsafe $0.loadUnaligned(as: Mapping.self) }
  }
}

/// The device's side of such a path.
struct CalledTranslator<Counter: WorkCounter>: DMATranslator, ~Copyable {
  private let translateRange: (IOVA, UInt64, DMADirection) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64)
  private let servePath: () -> Void
  private let shareWith: (Bool) -> Void
  private let getWork: () -> Counter
  private let setWork: (Counter) -> Void

  /// Compiled once for each path.
  init<Base: DMATranslator & ~Copyable>(_ base: consuming Base) where Base.Counter == Counter {
    let base = Box(base)
    translateRange = { address, byteCount, access throws(DMAFault) in
      try base.value.translate(address, byteCount: byteCount, for: access)
    }
    servePath = { base.value.service() }
    shareWith = { base.value.shareThread($0) }
    getWork = { base.value.work }
    setWork = { base.value.work = $0 }
  }

  var work: Counter {
    get { Counter.isCounting ? getWork() : Counter() }
    set { if Counter.isCounting { setWork(newValue) } }
  }

  static var isTrusted: Bool { true }

  mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) { try translateRange(address, byteCount, access) }

  mutating func service() { servePath() }

  mutating func shareThread(_ isShared: Bool) { shareWith(isShared) }
}
