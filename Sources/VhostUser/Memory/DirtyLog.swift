internal import CRing
internal import RingKit

/// The log of pages that the device wrote, for a front-end that moves the guest elsewhere ("Migration").
///
/// One bit for each 4 KiB of guest addresses, in memory that the front-end passed: it reads and clears the bits while
/// they are set, and may write anything there. Nothing of it is read here.
final class DirtyLog {
  private let region: MemoryRegion
  private let bits: SharedMemory

  /// VHOST_LOG_PAGE, as a shift.
  private static let pageShift: UInt64 = 12

  /// Maps the memory.
  ///
  /// - Throws: ``VhostUserError/memory(_:)`` when it is empty or not in its file.
  init(
    byteCount: UInt64, fileOffset: UInt64, file: PassedDescriptor, mustBeSealed: Bool
  ) throws(VhostUserError) {
    let copy = try file.duplicate()
    do throws(MemoryError) {
      region = try MemoryRegion(
        mapping: copy, fileOffset: fileOffset, byteCount: Int(clamping: byteCount), at: GuestPhysicalAddress(0),
        mustBeSealed: mustBeSealed)
    } catch {
      cring_channel_close(copy)
      throw .memory(error)
    }
    bits = unsafe SharedMemory(region.hostBase, byteCount: region.byteCount)
  }

  /// Its size.
  var byteCount: UInt64 { UInt64(region.byteCount) }

  /// Set once the front-end took pages of it away.
  var loss: MemoryError? { region.isLost ? .lost(region.guestBase, byteCount: region.byteCount) : nil }

  /// Bytes of a log in which all guest addresses up to `last` have a bit.
  static func byteCount(through last: UInt64?) -> UInt64 { last.map { $0 >> (pageShift + 3) + 1 } ?? 0 }

  /// Notes that bytes were written: called after the write, because what is noted before may be taken before.
  ///
  /// A bit that is set already is set again. A front-end that clears it at this moment has seen the write; where it
  /// was only looked at, the write could still be on its way when the page is copied.
  func mark(_ address: UInt64, byteCount: UInt64) {
    if byteCount == 0 { return }
    let last = (address &+ (byteCount - 1)) >> Self.pageShift
    var page = address >> Self.pageShift
    while page <= last {
      let end = min(last, page | 7)
      // Every address was checked against the log's size: the memory's end, and the used ring's.
      guard page >> 3 < self.byteCount else { return }
      let mask = UInt8(truncatingIfNeeded: (0xff as UInt64 >> (7 - (end & 7))) & (0xff << (page & 7)))
      bits.orRelease8(mask, Int(page >> 3))
      page = end + 1
    }
  }
}

/// What a queue logs its writes with.
struct WriteLog {
  let pages: DirtyLog
  let memory: VhostMemory
  /// The guest address that writes to the part of the ring are logged at which the device alone writes; `nil`: they
  /// are not (VHOST_VRING_F_LOG).
  let used: UInt64?
  /// The descriptors of a packed ring, which the device writes too.
  let descriptors: HostAddress?

  /// Bytes were written, wherever the guest has them.
  func mark(_ host: HostAddress, byteCount: Int) {
    var (host, left) = (host, UInt64(byteCount))
    while left > 0 {
      // A translator leads to regions alone, but perhaps to two that lie side by side here.
      guard let found = memory.guestAddress(of: host) else { return }
      let part = min(left, found.byteCount)
      pages.mark(found.address, byteCount: part)
      left -= part
      unsafe host = host.advanced(by: Int(part))
    }
  }

  /// So many bytes of a buffer were written, from its first writable one on.
  func mark(_ segments: [TranslatedSegment], written: UInt32) {
    var left = Int(written)
    for segment in segments where left > 0 && segment.access == .deviceWritable {
      mark(segment.host, byteCount: min(left, segment.byteCount))
      left -= segment.byteCount
    }
  }

  /// Bytes of the part were written that the device alone writes.
  func markUsed(_ offset: Int, byteCount: Int) {
    if let used { pages.mark(used &+ UInt64(offset), byteCount: UInt64(byteCount)) }
  }

  /// The used entries of a split ring from one index to another were written.
  func markUsed(from start: UInt16, to end: UInt16, size: Int) {
    let (first, count) = (Int(start) & (size - 1), Int(end &- start))
    let run = min(count, size - first)
    if run > 0 { markUsed(4 + 8 * first, byteCount: 8 * run) }
    if count > run { markUsed(4, byteCount: 8 * (count - run)) }
  }

  /// A descriptor of a packed ring was written.
  func markDescriptor(_ offset: UInt16) {
    guard used != nil, let descriptors else { return }
    unsafe mark(descriptors.advanced(by: 16 * Int(offset)), byteCount: 16)
  }
}
