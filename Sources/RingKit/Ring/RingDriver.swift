/// What a layout's driver queue gives to the code that both share.
@usableFromInline
protocol RingDriver: DriverQueue, ~Copyable {
  associatedtype Mapper: DMAMapper & ~Copyable

  var mapper: Mapper { get set }
  var broken: Bool { get set }
  var inFlightTable: InFlightTable<Mapper.Mapping> { get set }
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
