/// Why a segment could not be mapped for, or taken back from, a device.
///
/// The driver's side.
public enum DMAError: Error, Equatable, Sendable {
  /// The segment is empty or does not lie inside the guest's memory.
  case outOfBounds(MemorySegment)
  /// The segment ends beyond what the device can address.
  case beyondMask(MemorySegment, limit: UInt64)
  /// The segment does not lie inside what was mapped beforehand.
  case notPremapped(MemorySegment)
  /// Larger than one mapping of this path may be, in bytes (swiotlb: 128 slots, 256 KiB).
  case tooLarge(byteCount: Int, maximum: Int)
  /// No free run of bounce slots: the bytes asked for, and the pool's slots in all and in use.
  case bouncePoolFull(byteCount: Int, total: Int, used: Int)
  /// Every shadow buffer is in use; how many there are.
  case shadowBuffersInUse(Int)
  /// No free IOVA range of this many pages, after the caches were flushed and the tree searched once more.
  case iovaExhausted(pages: Int)
  /// The address is not one this mapper handed out and has not taken back.
  case notMapped(IOVA)
  /// A page-table entry on the way was already in use.
  case alreadyMapped(IOVA)
  /// This path cannot take a mapping of the segment at that address over from another mapper.
  case notResumable(MemorySegment, at: IOVA)
  /// The page table has no memory left for another level.
  case pageTableExhausted
  /// The IOMMU did not answer a wait descriptor within this many nanoseconds.
  case invalidationTimedOut(nanoseconds: UInt64)
  /// The device, in another process, did not confirm that it forgot a mapping (`RemoteIOTLB`), or has ended
  /// (`DomainAttachment`).
  case deviceUnreachable
  /// The device, in another process, says that it took more of the invalidation queue than was posted, in descriptors.
  case wrongCompletion(found: UInt64, posted: UInt64)
  /// The segment lies in memory that cannot be shown to a device a page at a time: private, or of reserved 2 MiB pages.
  case notShareable(MemorySegment)
  /// The kernel did not change the page table, for this reason (an errno).
  case kernelRefused(errno: Int32)
  /// The process that is the device has ended: with this exit code, by this signal, or by something that cannot be
  /// told.
  case deviceEnded(code: Int32?, signal: Int32?)
  /// A path returned an address for a segment of this many bytes that would end beyond 2^64.
  case wrongAddress(IOVA, byteCount: UInt32)
  /// A path counted this many bytes in an unmapped segment, more than the device wrote.
  case wrongCount(UInt32, limit: UInt32)
  /// An error of a path that is not one of this library's, or of one that asks another process.
  case custom(CustomDMAError)
}

/// An error of a user's own path, as a queue passes it on: a reason that the path names, and a value.
///
///     extension CustomDMAError {
///       static func overrun(slot: Int) -> Self { Self("bytes behind a slot were written, slot", UInt64(slot)) }
///     }
///     throw .custom(.overrun(slot: 3))
///
/// Two words and a flag, so that an error of any path still comes back in registers.
@safe
public struct CustomDMAError: Error, Sendable, BitwiseCopyable {
  // Of a string literal, which lives as long as the process and ends with a zero.
  private let text: UInt
  /// With which value.
  public let value: UInt64
  // Whether the value is an error number of the kernel's, which the description says in words.
  private let isErrorNumber: Bool

  /// An error with a reason, in words that the value can follow, and a value.
  public init(_ reason: StaticString, _ value: UInt64) { self.init(reason, value, isErrorNumber: false) }

  /// The kernel refused something, for this reason (an errno).
  package init(_ reason: StaticString, errno: Int32) {
    self.init(reason, UInt64(UInt32(bitPattern: errno)), isErrorNumber: true)
  }

  private init(_ reason: StaticString, _ value: UInt64, isErrorNumber: Bool) {
    precondition(reason.hasPointerRepresentation, "a reason is more than one character")
    text = unsafe UInt(bitPattern: reason.utf8Start)
    self.value = value
    self.isErrorNumber = isErrorNumber
  }

  /// What is wrong.
  public var reason: String {
    // SAFETY: the text of a literal.
    unsafe UnsafePointer<CChar>(bitPattern: text).map { unsafe String(cString: $0) } ?? ""
  }
}

extension CustomDMAError: Equatable, CustomStringConvertible {
  /// Whether reason and value are the same.
  public static func == (a: CustomDMAError, b: CustomDMAError) -> Bool { a.description == b.description }

  /// The reason and the value.
  public var description: String {
    isErrorNumber ? "\(reason): \(SystemError.text(Int32(truncatingIfNeeded: value)))" : "\(reason) \(value)"
  }
}

extension DMAError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .outOfBounds(let segment): "\(segment.length) bytes at \(segment.address) are not guest memory"
    case .beyondMask(let segment, let limit):
      "\(segment.length) bytes at \(segment.address) end beyond the device's limit 0x\(String(limit, radix: 16))"
    case .notPremapped(let segment): "\(segment.length) bytes at \(segment.address) were not mapped beforehand"
    case .tooLarge(let count, let maximum): "a mapping of \(count) bytes is larger than this path's \(maximum)"
    case .bouncePoolFull(let count, let total, let used):
      "swiotlb buffer is full (size: \(count) bytes, total \(total) slots, used \(used) slots)"
    case .shadowBuffersInUse(let total): "all of the queue's \(total) shadow buffers are in use"
    case .iovaExhausted(let pages): "no free IOVA range of \(pages) pages"
    case .notMapped(let address): "\(address) is not mapped"
    case .alreadyMapped(let address): "\(address) is already mapped"
    case .notResumable(let segment, let address):
      "a mapping of \(segment.length) bytes at \(segment.address) cannot be taken over at \(address) on this path"
    case .pageTableExhausted: "no memory left for page tables"
    case .invalidationTimedOut(let time): "the IOMMU did not complete an invalidation within \(time) ns"
    case .deviceUnreachable: "the device did not confirm that it forgot a mapping"
    case .wrongCompletion(let found, let posted):
      "the device says that it took \(found) descriptors of the invalidation queue, and \(posted) were posted"
    case .notShareable(let segment):
      "\(segment.length) bytes at \(segment.address) are not in shared memory of small pages"
    case .kernelRefused(let errno): "the kernel did not change the page table: \(SystemError.text(errno))"
    case .deviceEnded(let code, let signal): "the device's process \(ProcessEnd(code: code, signal: signal))"
    case .wrongAddress(let address, let count):
      "the path mapped \(count) bytes to \(address), from where they would end beyond 2^64"
    case .wrongCount(let count, let limit):
      "the path counted \(count) bytes in a segment of which the device wrote \(limit) at most"
    case .custom(let error): error.description
    }
  }
}

/// Why a device's access did not reach memory.
///
/// The device's side.
public enum DMAFault: Error, Equatable, Sendable {
  /// The range is not inside memory the device can see.
  case outOfBounds(IOVA, byteCount: UInt64)
  /// The range is longer than the address space above it.
  case addressOverflow(IOVA, byteCount: UInt64)
  /// No translation: never mapped, or unmapped since.
  case notMapped(IOVA)
  /// There is a translation, but not for this kind of access.
  case notPermitted(IOVA, DMADirection)
  /// The translation leads to an address that is not guest memory.
  case badTarget(IOVA, GuestPhysicalAddress)
  /// An entry of the page table, at this level, is none that a driver writes.
  case badEntry(IOVA, UInt64, level: Int)
  /// A translator returned this many bytes for an address, not 1 to the number it was asked for.
  case wrongCount(IOVA, byteCount: UInt64, limit: UInt64)
  /// A translator led an address to this many bytes of the process that are not in one region the device can see.
  case wrongTarget(IOVA, HostAddress, byteCount: UInt64)
  /// An error of a translator that is not one of this library's, or of one that asks another process.
  case custom(IOVA, CustomDMAError)
  /// The chain up to this address needs more translations at a time than the device keeps.
  case tooManyTranslations(IOVA, limit: Int)
  /// The translation was not here and is being asked for: nothing is wrong, and the same access is tried again once it
  /// has come.
  case pending(IOVA, DMADirection)
}

extension DMAFault {
  /// Whether the access may succeed later, as one to a page that is fetched does; a queue is as it was before.
  @inlinable
  public var isPending: Bool { if case .pending = self { true } else { false } }
}

extension DMAFault: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .outOfBounds(let address, let count): "\(count) bytes at \(address) are not memory the device can see"
    case .addressOverflow(let address, let count): "\(count) bytes at \(address) end beyond 2^64"
    case .notMapped(let address): "\(address) has no translation"
    case .notPermitted(let address, .deviceReadable): "\(address) may not be read by the device"
    case .notPermitted(let address, .deviceWritable): "\(address) may not be written by the device"
    case .badTarget(let address, let target): "\(address) translates to \(target), which is not memory"
    case .badEntry(let address, let bits, let level):
      "the page-table entry of \(address) at level \(level) cannot be 0x\(String(bits, radix: 16))"
    case .wrongCount(let address, let count, let limit):
      "the path translated \(count) bytes at \(address), not 1 to \(limit)"
    case .wrongTarget(let address, let host, let count):
      "the path led \(address) to \(count) bytes at host 0x\(String(host.rawValue, radix: 16)), "
        + "which are not memory the device can see"
    case .custom(let address, let error): "\(address) was not translated: \(error)"
    case .tooManyTranslations(let address, let limit):
      "the chain with \(address) needs more than the \(limit) translations that are kept"
    case .pending(let address, _): "the translation of \(address) has not come yet"
    }
  }
}

/// How another process ended.
package enum ProcessEnd: Equatable, Sendable {
  /// By itself, with this code.
  case exited(code: Int32)
  /// By this signal; 11, SIGSEGV, when it touched memory that was not there for it.
  case killed(signal: Int32)
  /// It cannot be told how: the process is not, or not any more, a child of this one.
  case unknown

  init(code: Int32?, signal: Int32?) {
    self = code.map { .exited(code: $0) } ?? signal.map { .killed(signal: $0) } ?? .unknown
  }
}

extension DMAError {
  package static func deviceEnded(_ end: ProcessEnd) -> DMAError {
    switch end {
    case .exited(let code): .deviceEnded(code: code, signal: nil)
    case .killed(let signal): .deviceEnded(code: nil, signal: signal)
    case .unknown: .deviceEnded(code: nil, signal: nil)
    }
  }
}

extension ProcessEnd: CustomStringConvertible {
  /// A few words, to go on after a name.
  package var description: String {
    switch self {
    case .exited(let code): "exited with code \(code)"
    case .killed(let signal): "was killed by signal \(signal)"
    case .unknown: "is gone"
    }
  }
}
