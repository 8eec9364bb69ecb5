internal import RingKit

/// Notes of what a split queue has in flight, in the protocol's steps, so that another back-end can go on.
struct SplitInflight {
  private let memory: SharedMemory
  /// A copy of what was written last: the front-end can write here too.
  private var lastBatchHead: UInt16 = 0
  private var counter: UInt64 = 0
  private var batch: [UInt16] = []

  // Behind version and number of entries.
  private static let lastBatchHeadOffset = 12
  private static let usedIndexOffset = 14

  /// Takes a queue's part of the memory over.
  ///
  /// Whenever this process dies in here, its successor finds the same buffers in flight.
  ///
  /// - Parameters:
  ///   - memory: the part.
  ///   - size: the entries that the memory was described with.
  ///   - used: the used ring's index, where processing goes on.
  ///   - again: the heads in flight that are not in the available ring from there on, in the order they were fetched;
  ///     none where it has them all.
  init(_ memory: SharedMemory, size: Int, used: UInt16, again: [UInt16]) {
    self.memory = memory
    let kept = Set(again)
    if memory.load16(InflightLayout.version) == InflightLayout.currentVersion {
      // The last one first: what is left are the first ones, as the available ring has them.
      let noted = (try? Self.heads(memory, size: size, used: used)) ?? []
      for head in noted.reversed() where !kept.contains(head) { clear(head) }
    }
    // With them those of a batch that was published, whose links count until the index is stored.
    for entry in 0..<UInt16(size) where !kept.contains(entry) { clear(entry) }
    for head in again { fetched(head) }
    memory.storeRelease16(used, Self.usedIndexOffset)
    memory.storeRelease16(0, Self.lastBatchHeadOffset)
    memory.store16(UInt16(size), InflightLayout.entryCount)
    memory.storeRelease16(InflightLayout.currentVersion, InflightLayout.version)
  }

  /// No longer in flight; where it leads stays, for the others of its batch.
  private func clear(_ head: UInt16) { memory.storeRelease16(0, Self.offset(Int(head))) }

  private static func offset(_ entry: Int) -> Int {
    InflightLayout.header(packed: false) + entry * InflightLayout.entry(packed: false)
  }

  /// What a device goes on with that another one left.
  ///
  /// - Parameters:
  ///   - memory: the queue's part.
  ///   - size: the entries that the memory was described with.
  ///   - used: the used ring's index.
  ///   - isInOrder: whether buffers are completed in the order they were fetched.
  ///   - available: the head that is `offset` entries behind that index in the available ring.
  /// - Returns: the heads that have to be fetched anew, which are none where the available ring has them from there on;
  ///   `nil` when no back-end has noted anything.
  /// - Throws: ``VhostUserError/inflight(_:)`` when what is noted makes no sense, or with IN_ORDER is not what the
  ///   available ring has.
  static func resume(
    _ memory: SharedMemory, size: Int, used: UInt16, isInOrder: Bool, available: (_ offset: UInt16) -> UInt16
  ) throws(VhostUserError) -> [UInt16]? {
    let version = memory.load16(InflightLayout.version)
    if version == 0 { return nil }
    try check(memory, version, size: size)
    let found = try heads(memory, size: size, used: used)
    for (i, head) in found.enumerated() where available(UInt16(i)) != head {
      if !isInOrder { return found }
      throw .inflight("descriptor \(head) is in flight, and is not where a device that works in order left it")
    }
    return []
  }

  private static func check(_ memory: SharedMemory, _ version: UInt16, size: Int) throws(VhostUserError) {
    guard version == InflightLayout.currentVersion else { throw .inflight("its version is \(version)") }
    let entries = memory.load16(InflightLayout.entryCount)
    guard entries == size else { throw .inflight("it has \(entries) entries instead of \(size)") }
  }

  /// The heads in flight, in the order they were fetched; those of a batch that was published are not.
  private static func heads(_ memory: SharedMemory, size: Int, used: UInt16) throws(VhostUserError) -> [UInt16] {
    var found: [(head: UInt16, counter: UInt64)] = []
    var published: Set<UInt16> = []
    let batch = used &- memory.load16(usedIndexOffset)
    guard batch <= size else { throw .inflight("a last batch of \(batch) in \(size) entries") }
    var head = memory.load16(lastBatchHeadOffset)
    for _ in 0..<batch {
      guard head < size else { throw .inflight("its last batch names descriptor \(head) of \(size)") }
      published.insert(head)
      head = UInt16(truncatingIfNeeded: memory.load64(offset(Int(head))) >> 48)
    }
    for entry in 0..<size where memory.load64(offset(entry)) & 0xff != 0 && !published.contains(UInt16(entry)) {
      found.append((UInt16(entry), memory.load64(offset(entry) + 8)))
    }
    return found.sorted { $0.counter < $1.counter }.map(\.head)
  }

  /// Forgets that the queue was ever used: it was stopped with nothing in flight.
  func retire() { memory.storeRelease16(0, InflightLayout.version) }

  /// A buffer was fetched.
  mutating func fetched(_ head: UInt16) {
    memory.store64(counter, Self.offset(Int(head)) + 8)
    counter &+= 1
    memory.storeRelease64(1, Self.offset(Int(head)))
  }

  /// It is done with, and will be published.
  mutating func completed(_ head: UInt16) {
    memory.store64(1 | UInt64(lastBatchHead) << 48, Self.offset(Int(head)))
    lastBatchHead = head
    memory.store16(head, Self.lastBatchHeadOffset)
    batch.append(head)
  }

  /// The used index was stored.
  mutating func published(_ used: UInt16) {
    // Whatever dies between these two leaves a used index that differs from the ring's by the batch.
    for head in batch { clear(head) }
    batch.removeAll(keepingCapacity: true)
    memory.storeRelease16(used, Self.usedIndexOffset)
  }
}
