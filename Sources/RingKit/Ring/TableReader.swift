/// Reads entries of an indirect table wherever its pages lie, remembering the stretch it read from last.
///
/// A table starts at a multiple of 16, and so does every seam between pages or regions, so no entry straddles one.
@frozen
@usableFromInline
struct TableReader {
  @usableFromInline let table: IOVA
  @usableFromInline var start: UInt64 = 0
  @usableFromInline var end: UInt64 = 0
  @usableFromInline var host = HostAddress(rawValue: 0)

  @inlinable
  init(_ table: IOVA) { self.table = table }

  /// Fetches entry `index` of `count`: two loads, after which its fields are ours.
  @inlinable @inline(__always)
  mutating func entry<Translator: DMATranslator & ~Copyable>(
    _ index: UInt32, of count: UInt32, _ translator: inout Translator
  ) throws(QueueError) -> (address: IOVA, word: UInt64) {
    let offset = UInt64(index) &* 16
    if offset < start || offset &+ 16 > end { try seek(offset, UInt64(count) &* 16, &translator) }
    let memory = SharedMemory(host.advanced(by: Int(offset &- start)), byteCount: 16)
    return (IOVA(memory.load64(0)), memory.load64(8))
  }

  @inlinable @inline(never)
  mutating func seek<Translator: DMATranslator & ~Copyable>(
    _ offset: UInt64, _ byteCount: UInt64, _ translator: inout Translator
  ) throws(QueueError) {
    let (address, overflow) = table.rawValue.addingReportingOverflow(offset)
    if overflow { throw .fault(.addressOverflow(table, byteCount: byteCount)) }
    do throws(DMAFault) {
      let piece = try translator.translate(IOVA(address), byteCount: byteCount &- offset, for: .deviceReadable)
      if piece.byteCount < 16 || piece.host.rawValue & 15 != 0 { throw .outOfBounds(IOVA(address), byteCount: 16) }
      (host, start, end) = (piece.host, offset, offset &+ piece.byteCount)
    } catch { throw .fault(error) }
  }
}
