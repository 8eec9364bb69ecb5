/// What a layout's driver queue gives to the code that both share.
@usableFromInline
protocol RingDriver: DriverQueue, ~Copyable {
  associatedtype Mapper: DMAMapper & ~Copyable

  var mapper: Mapper { get set }
  var broken: Bool { get set }
  var inFlightTable: InFlightTable<Mapper.Mapping> { get set }
  var finished: PrivateTable<Completion> { get }
  var finishedCount: Int { get set }
  var unannounced: UInt64 { get set }
  var batchRemaining: UInt16 { get set }
  var batchLength: UInt32 { get set }
  var isInOrder: Bool { get }
  var features: VirtioFeatures { get }
  var indirect: SharedMemory? { get }
  var indirectBase: GuestPhysicalAddress { get }

  /// The second word of a table's entry; `next` is the index of the entry behind it, 0 for the last.
  static func tableWord(length: UInt32, isWritable: Bool, next: Int) -> UInt64

  /// Adds a buffer whose segments take a descriptor each.
  mutating func addList(
    _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>, _ token: UInt64
  ) throws(QueueError) -> AddResult

  /// Writes the descriptor of a table and enters the buffer.
  mutating func enterTable(_ head: UInt16, _ address: IOVA, length: UInt32, token: UInt64, capacity: UInt32)

  /// The rule that an id in the used ring has to keep.
  static var usedRule: RingRule { get }

  /// How many buffers at most a used entry can stand for.
  var usableCount: UInt16 { get }

  /// The buffer that the next used entry names, each field read once and held against what is in flight.
  mutating func usedBuffer() throws(QueueError) -> (id: UInt16, length: UInt32, entry: InFlightEntry)?

  /// IN_ORDER: the head of the buffer at a position; `behind` buffers of one descriptor stand before it.
  func orderedHead(at position: RingIndex, behind: UInt16) -> UInt16

  /// Goes on behind so many descriptors that were used.
  mutating func passUsed(_ descriptors: UInt16)

  /// Prefetches the descriptors of buffers that come back in sequence, which are written next.
  func prefetchRun(_ slot: Int, _ count: Int)
}

extension RingDriver where Self: ~Copyable {
  /// Adds a buffer of several segments, as a table in one slot where that is possible.
  @inlinable @inline(__always)
  mutating func addSegments(
    _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>, _ token: UInt64
  ) throws(QueueError) -> AddResult {
    if broken { throw .broken }
    let count = readable.count &+ writable.count
    guard count >= 1, count <= size else { throw .invalidChain(segments: count, maximum: size) }
    if count > 1 && count <= inFlightTable.indirectCapacity && inFlightTable.freeCount > 0 {
      return try addTable(readable, writable, token)
    }
    // P9: room for the whole list before its first descriptor becomes available.
    if count > Int(inFlightTable.freeCount) { return .full }
    return try addList(readable, writable, token)
  }

  /// Adds a buffer as a table in one slot.
  ///
  /// The table is mapped like a device-readable buffer, after it is written, so that a path that copies copies its
  /// contents.
  @inlinable @inline(never)
  mutating func addTable(
    _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>, _ token: UInt64
  ) throws(QueueError) -> AddResult {
    guard let indirect else { return try addList(readable, writable, token) }
    let count = readable.count &+ writable.count
    let head = inFlightTable.nextSlot
    let base = Int(head) &* inFlightTable.indirectCapacity
    let capacity = try chainCapacity(readable, writable)
    var mapped = 0
    do throws(DMAError) {
      while true {
        let isWritable = mapped >= readable.count && mapped < count
        // Behind the segments the table itself.
        let segment =
          mapped == count
          ? MemorySegment(
            GuestPhysicalAddress(indirectBase.rawValue &+ UInt64(base &* 16)),
            length: UInt32(truncatingIfNeeded: count &* 16))
          : isWritable ? writable[mapped &- readable.count] : readable[mapped]
        if segment.length == 0 { throw .outOfBounds(segment) }
        let (address, mapping) = try mapper.mapChecked(
          segment, isWritable ? .deviceWritable : .deviceReadable)
        if mapped == count {
          _ = inFlightTable.takeSlot()
          inFlightTable.mappings[head] = mapping
          inFlightTable.indirectUse[head] = UInt32(readable.count) << 16 | UInt32(writable.count)
          enterTable(head, address, length: segment.length, token: token, capacity: capacity)
          return .added
        }
        inFlightTable.indirectMappings[base &+ mapped] = mapping
        let offset = (base &+ mapped) &* 16
        mapped &+= 1
        indirect.store64(address.rawValue, offset)
        indirect.store64(
          Self.tableWord(length: segment.length, isWritable: isWritable, next: mapped == count ? 0 : mapped),
          offset &+ 8)
      }
    } catch {
      for i in 0..<mapped {
        let direction: DMADirection = i < readable.count ? .deviceReadable : .deviceWritable
        do throws(DMAError) {
          try mapper.takeBack(inFlightTable.indirectMappings[base &+ i], direction)
        } catch { broken = true }
      }
      throw .mapping(error)
    }
  }

  /// Maps the segments of a buffer that takes a descriptor for each; `place` is told of each in turn.
  @inlinable @inline(__always)
  mutating func mapList(
    _ readable: Span<MemorySegment>, _ writable: Span<MemorySegment>, _ head: UInt16,
    _ place: (_ slot: UInt16, _ address: IOVA) -> Void
  ) throws(QueueError) {
    // A slot within the list heads nothing, and its entry has to say so.
    inFlightTable.settle()
    var previous = head
    for i in 0..<(readable.count &+ writable.count) {
      let isWritable = i >= readable.count
      let segment = isWritable ? writable[i &- readable.count] : readable[i]
      do throws(DMAError) {
        if segment.length == 0 { throw .outOfBounds(segment) }
        let (address, mapping) = try mapper.mapChecked(segment, isWritable ? .deviceWritable : .deviceReadable)
        let slot = inFlightTable.takeSlot()
        inFlightTable.mappings[slot] = mapping
        inFlightTable.links[slot] = isWritable ? inFlightTable.writable : 0
        if i > 0 { inFlightTable.links[previous] = inFlightTable.links[previous] | slot }
        previous = slot
        place(slot, address)
      } catch {
        try unwind(head, mapped: UInt16(i), because: error)
      }
    }
  }

  /// Gives up a chain whose segments are mapped only in part; nothing of it was visible.
  @inlinable @inline(never)
  mutating func unwind(_ head: UInt16, mapped: UInt16, because error: DMAError) throws(QueueError) {
    var slot = head
    for _ in 0..<mapped {
      let link = inFlightTable.links[slot]
      let direction: DMADirection = link & inFlightTable.writable == 0 ? .deviceReadable : .deviceWritable
      do throws(DMAError) { try mapper.takeBack(inFlightTable.mappings[slot], direction) } catch { broken = true }
      slot = link & ~inFlightTable.writable
    }
    inFlightTable.untake(mapped)
    throw .mapping(error)
  }
}

extension RingDriver where Self: ~Copyable {
  /// Lets the DMA path do what is due.
  @inlinable
  mutating func pollPath() throws(QueueError) {
    do throws(DMAError) { try mapper.poll() } catch { throw .mapping(error) }
  }

  /// Completes what the DMA path deferred.
  @inlinable
  mutating func flushPath() throws(QueueError) {
    do throws(DMAError) { try mapper.flush() } catch { throw .mapping(error) }
  }

  @inlinable @inline(never)
  mutating func fail(_ violation: RingViolation) -> QueueError {
    broken = true
    return .violation(violation)
  }

  @inlinable @inline(never)
  mutating func fail(_ error: DMAError) -> QueueError {
    broken = true
    return .mapping(error)
  }
}

extension RingDriver where Self: ~Copyable, Mapper: ResumableMapper {
  /// The queue's state but for where it stands in its ring; publishes what was added first.
  mutating func state(
    _ ring: [GuestPhysicalAddress], isSecure: Bool,
    _ describe: (UInt64) -> (readable: [MemorySegment], writable: [MemorySegment])?
  ) throws(QueueStateError) -> QueueState {
    if broken { throw .broken }
    publish()
    var state = QueueState(
      .driver, features.contains(.packedRing) ? .packed : .split, size: size, features: features, isSecure: isSecure,
      ring: ring.map(\.rawValue))
    state.tables = inFlightTable.indirectCapacity > 0 ? indirectBase.rawValue : 0
    state.batchRemaining = batchRemaining
    state.batchLength = batchRemaining == 0 ? 0 : batchLength
    state.unannounced = unannounced
    inFlightTable.settle()
    try inFlightTable.save(into: &state, mapper, tables: indirectBase, describe)
    return state
  }
}
