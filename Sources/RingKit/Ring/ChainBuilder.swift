/// A device's private copy of one chain while it is fetched: translated segments and running totals.
///
/// Both layouts use it. Every limit a hostile driver could strain is checked here, once.
@frozen
@usableFromInline
struct ChainBuilder: ~Copyable {
  @usableFromInline let table: PrivateTable<TranslatedSegment>
  @usableFromInline let isPacked: Bool
  @usableFromInline var count = 0
  @usableFromInline var descriptors: UInt32 = 0
  @usableFromInline var readable: UInt64 = 0
  @usableFromInline var writable: UInt64 = 0
  @usableFromInline var seenWritable = false
  /// Where a translator that is not trusted may lead.
  @usableFromInline let memory: ReachableMemory

  @usableFromInline
  init(queueSize: Int, isPacked: Bool, memory: GuestMemory?) {
    // Twice the queue: each of a chain's descriptors may straddle one seam between regions or pages; more is refused.
    table = unsafe PrivateTable(
      count: max(2 * queueSize, 64),
      repeating: TranslatedSegment(IOVA(0), host: HostAddress(rawValue: 0), length: 0, access: .deviceReadable))
    self.isPacked = isPacked
    self.memory = ReachableMemory(memory)
  }

  @inlinable @inline(__always)
  mutating func begin() {
    count = 0
    descriptors = 0
    readable = 0
    writable = 0
    seenWritable = false
  }

  /// The whole of a chain that is one contiguous element, or `nil` for one that is not; kept in the table.
  @inlinable @inline(__always)
  mutating func single<Translator: DMATranslator & ~Copyable>(
    _ address: IOVA, _ length: UInt32, isWritable: Bool, _ translator: inout Translator
  ) throws(DMAFault) -> TranslatedSegment? {
    guard let segment = try Self.only(address, length, isWritable: isWritable, &translator, memory) else { return nil }
    table[0] = segment
    count = 1
    return segment
  }

  /// The whole of a chain that is one contiguous element, or `nil` for one that is not.
  @inlinable @inline(__always)
  static func only<Translator: DMATranslator & ~Copyable>(
    _ address: IOVA, _ length: UInt32, isWritable: Bool, _ translator: inout Translator,
    _ memory: borrowing ReachableMemory
  ) throws(DMAFault) -> TranslatedSegment? {
    if length == 0 { return nil }
    let access: DMADirection = isWritable ? .deviceWritable : .deviceReadable
    let range = try translator.translateChecked(address, byteCount: UInt64(length), for: access, in: memory)
    if range.byteCount != UInt64(length) { return nil }
    return TranslatedSegment(address, host: range.host, length: length, access: access)
  }

  /// Checks one element against the rules on order and size, translates it and appends its segments.
  @inlinable @inline(__always)
  mutating func append<Translator: DMATranslator & ~Copyable>(
    _ address: IOVA, _ length: UInt32, isWritable: Bool, _ translator: inout Translator
  ) throws(QueueError) {
    if isWritable {
      seenWritable = true
      writable &+= UInt64(length)
    } else {
      if seenWritable { throw .violation(RingViolation(isPacked ? .p7 : .s2, .flags, 0)) }
      readable &+= UInt64(length)
    }
    if readable &+ writable > 1 << 32 {
      throw .violation(RingViolation(isPacked ? .p6 : .s4, .length, readable &+ writable, limit: 1 << 32))
    }
    if length == 0 { return }
    let access: DMADirection = isWritable ? .deviceWritable : .deviceReadable
    let range: (host: HostAddress, byteCount: UInt64)
    do throws(DMAFault) {
      range = try translator.translateChecked(address, byteCount: UInt64(length), for: access, in: memory)
    } catch { throw .fault(error) }
    if range.byteCount == UInt64(length) && count < table.count {
      table[count] = TranslatedSegment(address, host: range.host, length: length, access: access)
      count &+= 1
    } else {
      try appendRanges(address, length, range, access, &translator)
    }
  }

  /// Appends an element that is not contiguous in this process: translates it part by part and joins adjacent parts.
  @inlinable @inline(never)
  mutating func appendRanges<Translator: DMATranslator & ~Copyable>(
    _ address: IOVA, _ length: UInt32, _ first: (host: HostAddress, byteCount: UInt64), _ access: DMADirection,
    _ translator: inout Translator
  ) throws(QueueError) {
    let start = count
    var range = first
    var done: UInt64 = 0
    while true {
      let (host, bytes) = (range.host, min(range.byteCount, UInt64(length) &- done))
      if count > start, unsafe table[count &- 1].host.advanced(by: table[count &- 1].byteCount) == host {
        let joined = table[count &- 1]
        table[count &- 1] = TranslatedSegment(
          joined.address, host: joined.host, length: joined.length &+ UInt32(bytes), access: access)
      } else {
        if count == table.count {
          throw .violation(RingViolation(isPacked ? .p6 : .s8, .count, UInt64(count), limit: UInt64(table.count)))
        }
        table[count] = TranslatedSegment(
          IOVA(address.rawValue &+ done), host: host, length: UInt32(bytes), access: access)
        count &+= 1
      }
      done &+= bytes
      if done >= UInt64(length) { return }
      let (next, overflow) = address.rawValue.addingReportingOverflow(done)
      if overflow { throw .fault(.addressOverflow(address, byteCount: UInt64(length))) }
      do throws(DMAFault) {
        range = try translator.translateChecked(
          IOVA(next), byteCount: UInt64(length) &- done, for: access, in: memory)
      } catch { throw .fault(error) }
    }
  }

  /// The finished chain.
  @inlinable @inline(__always)
  func chain(id: UInt16, descriptorCount: UInt16) -> DeviceChain {
    DeviceChain(
      id: id, descriptorCount: descriptorCount, segmentCount: count, readableByteCount: readable,
      writableByteCount: writable, first: count > 0 ? table[0] : .empty)
  }
}

/// Reads entries of an indirect table wherever its pages lie, and remembers the range of the last read.
///
/// A table may start at any address (virtio 1.2, 2.7.5.3 and 2.8.7 ask for no alignment), so an entry may straddle a
/// seam between pages or regions.
@frozen
@usableFromInline
struct TableReader {
  @usableFromInline let table: IOVA
  @usableFromInline var start: UInt64 = 0
  @usableFromInline var end: UInt64 = 0
  @usableFromInline var host = unsafe HostAddress(rawValue: 0)

  @inlinable
  init(_ table: IOVA) { self.table = table }

  /// Fetches entry `index` of `count`: two loads, after which its fields are ours.
  @inlinable @inline(__always)
  mutating func entry<Translator: DMATranslator & ~Copyable>(
    _ index: UInt32, of count: UInt32, _ translator: inout Translator, _ memory: borrowing ReachableMemory
  ) throws(QueueError) -> (address: IOVA, word: UInt64) {
    let offset = UInt64(index) &* 16
    if offset < start || offset &+ 16 > end {
      if let words = try seek(offset, UInt64(count) &* 16, &translator, memory) { return words }
    }
    let memory = unsafe SharedMemory(host.advanced(by: Int(offset &- start)), byteCount: 16)
    return (IOVA(memory.loadUnaligned64(0)), memory.loadUnaligned64(8))
  }

  /// Finds the memory that holds the entry at `offset`; returns the entry itself when it straddles a seam.
  @inlinable @inline(never)
  mutating func seek<Translator: DMATranslator & ~Copyable>(
    _ offset: UInt64, _ byteCount: UInt64, _ translator: inout Translator, _ memory: borrowing ReachableMemory
  ) throws(QueueError) -> (address: IOVA, word: UInt64)? {
    let (address, overflow) = table.rawValue.addingReportingOverflow(offset)
    if overflow { throw .fault(.addressOverflow(table, byteCount: byteCount)) }
    do throws(DMAFault) {
      let range = try translator.translateChecked(
        IOVA(address), byteCount: byteCount &- offset, for: .deviceReadable, in: memory)
      if range.byteCount < 16 { return try gather(address, range, &translator, memory) }
      (host, start, end) = (range.host, offset, offset &+ range.byteCount)
      return nil
    } catch { throw .fault(error) }
  }

  /// Fetches an entry whose bytes lie in several segments of memory: each byte once.
  @inlinable @inline(never)
  func gather<Translator: DMATranslator & ~Copyable>(
    _ address: UInt64, _ first: (host: HostAddress, byteCount: UInt64), _ translator: inout Translator,
    _ memory: borrowing ReachableMemory
  ) throws(DMAFault) -> (address: IOVA, word: UInt64) {
    var words: (low: UInt64, high: UInt64) = (0, 0)
    var (range, used): (_, UInt64) = (first, 0)
    for i in 0..<16 as Range<UInt64> {
      if used == range.byteCount {
        let (next, overflow) = address.addingReportingOverflow(i)
        if overflow { throw .addressOverflow(IOVA(address), byteCount: 16) }
        range = try translator.translateChecked(IOVA(next), byteCount: 16 &- i, for: .deviceReadable, in: memory)
        used = 0
      }
      let byte = unsafe SharedMemory(range.host.advanced(by: Int(used)), byteCount: 1).load8(0)
      // Little endian, as every supported machine is.
      if i < 8 { words.low |= UInt64(byte) &<< (8 &* i) } else { words.high |= UInt64(byte) &<< (8 &* (i &- 8)) }
      used &+= 1
    }
    return (IOVA(words.low), words.high)
  }
}
