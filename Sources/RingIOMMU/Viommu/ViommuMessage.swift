internal import CRing
internal import RingKit

/// What a ``ViommuServer`` is asked: 48 bytes, six words in the order of the machine.
///
/// Word 0: the magic number, the version in bits 32...47, the kind in bits 48...63. Word 1: the sequence number. Word
/// 2: the first IOVA page. Word 3: pages. Word 4: the first guest-physical page. Word 5: permissions, bit 0 read and
/// bit 1 write. What a kind does not use is 0.
struct ViommuRequest: Equatable, Sendable {
  enum Kind: UInt16 {
    case map = 1
    case unmap = 2
    case translate = 3
  }

  static let wordCount = 6
  static let byteCount = 8 * wordCount
  static let magic: UInt64 = 0x514d_4956
  static let version: UInt64 = 1

  var kind: Kind
  var sequence: UInt64 = 0
  var page: UInt64
  var pages: UInt64 = 1
  var target: UInt64 = 0
  var permissions: UInt64 = 0

  var words: InlineArray<6, UInt64> {
    [Self.magic | Self.version << 32 | UInt64(kind.rawValue) << 48, sequence, page, pages, target, permissions]
  }

  init(_ kind: Kind, page: UInt64, pages: UInt64 = 1, target: UInt64 = 0, permissions: UInt64 = 0) {
    self.kind = kind
    self.page = page
    self.pages = pages
    self.target = target
    self.permissions = permissions
  }

  /// What six words say, or `nil` when their header is not that of a request.
  init?(_ words: InlineArray<6, UInt64>) {
    guard words[0] & 0xffff_ffff == Self.magic, words[0] >> 32 & 0xffff == Self.version,
      let kind = Kind(rawValue: UInt16(words[0] >> 48))
    else { return nil }
    self.init(kind, page: words[2], pages: words[3], target: words[4], permissions: words[5])
    sequence = words[1]
  }

  /// Whether the range lies in what four levels reach, and the rest is what the kind has.
  var isWellFormed: Bool {
    guard page < PageTable.pageLimit, pages > 0, pages <= PageTable.pageLimit - page else { return false }
    switch kind {
    case .map:
      let limit = (PageTableEntry.addressMask >> IOMMUPage.shift) + 1
      return permissions > 0 && permissions <= PageTableEntry.permissionMask && target < limit
        && pages <= limit - target
    case .unmap: return target == 0 && permissions == 0
    case .translate: return pages == 1 && target == 0 && permissions == 0
    }
  }
}

/// What a ``ViommuServer`` answers: 32 bytes, four words in the order of the machine.
///
/// Word 0: the magic number, the version in bits 32...47, the status in bits 48...63. Word 1: the request's sequence
/// number. Word 2: to a translation the guest-physical address its leaf leads to. Word 3: the leaf's permissions, and
/// in bits 8...15 its level. What an answer does not have is 0.
struct ViommuReply: Equatable, Sendable {
  static let wordCount = 4
  static let byteCount = 8 * wordCount
  static let magic: UInt64 = 0x524d_4956

  var status: ViommuStatus
  var sequence: UInt64
  var target: UInt64 = 0
  var bits: UInt64 = 0

  var words: InlineArray<4, UInt64> {
    [Self.magic | ViommuRequest.version << 32 | UInt64(status.rawValue) << 48, sequence, target, bits]
  }

  init(_ status: ViommuStatus, to sequence: UInt64, target: UInt64 = 0, bits: UInt64 = 0) {
    self.status = status
    self.sequence = sequence
    self.target = target
    self.bits = bits
  }

  /// What four words say, or `nil` when their header is not that of a reply.
  init?(_ words: InlineArray<4, UInt64>) {
    guard words[0] & 0xffff_ffff == Self.magic, words[0] >> 32 & 0xffff == ViommuRequest.version,
      let status = ViommuStatus(rawValue: UInt16(words[0] >> 48))
    else { return nil }
    self.init(status, to: words[1], target: words[2], bits: words[3])
  }

  var permissions: UInt64 { bits & 0xff }
  var level: Int { Int(bits >> 8 & 0xff) }

  /// Whether it can be the answer to a request of a kind.
  func answers(_ kind: ViommuRequest.Kind) -> Bool {
    guard kind == .translate, status == .done else { return target == 0 && bits == 0 }
    guard bits >> 16 == 0, permissions > 0, permissions <= PageTableEntry.permissionMask, (1...3).contains(level)
    else { return false }
    let leaf = PageTable.span(level) << IOMMUPage.shift
    return target & ~PageTableEntry.addressMask == 0 && target & (leaf - 1) == 0
  }
}

/// One end of a connection between a device's address space and the process that holds its translations.
///
/// A Unix socket that carries whole messages. Used by one thread at a time; closed with the last reference.
package final class ViommuSocket: @unchecked Sendable {
  /// The descriptor, for passing to another process; -1 once it is closed.
  package private(set) var fileDescriptor: Int32

  /// Takes over a connected SOCK_SEQPACKET socket, such as one that was inherited.
  package init(attaching fileDescriptor: Int32) { self.fileDescriptor = fileDescriptor }

  deinit { close() }

  /// Two ends of a new connection.
  ///
  /// - Throws: ``ViommuFailure/system(errno:)`` when the process has no descriptor left.
  package static func pair() throws(ViommuFailure) -> (ViommuSocket, ViommuSocket) {
    var made: (Int32, Int32) = (-1, -1)
    let error = unsafe withUnsafeMutablePointer(to: &made) {
      unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe cring_channel_pair($0) }
    }
    guard error == 0 else { throw .system(errno: error) }
    return (ViommuSocket(attaching: made.0), ViommuSocket(attaching: made.1))
  }

  /// Closes it; the other end learns of it.
  package func close() {
    if fileDescriptor >= 0 { cring_channel_close(fileDescriptor) }
    fileDescriptor = -1
  }

  /// Lets later calls wait that long and no longer, and not at all for 0.
  func setTimeout(nanoseconds: UInt64) -> Int32 {
    // To the kernel 0 means for ever: the shortest wait instead.
    cring_channel_set_timeout(fileDescriptor, max(nanoseconds, 1))
  }

  /// Sends the bytes of a value as one message; 0 or an errno, CRING_CHANNEL_TIMED_OUT when the other end does not
  /// read.
  func send<Words: BitwiseCopyable>(_ words: Words, waits: Bool = true) -> Int32 {
    unsafe withUnsafeBytes(of: words) { unsafe cring_channel_send(fileDescriptor, $0.baseAddress, $0.count, waits) }
  }

  /// Receives one message into a value; 0 or an errno, and the length it was sent with, which is 0 at the end.
  func receive<Words: BitwiseCopyable>(_ words: inout Words) -> (error: Int32, byteCount: Int) {
    var count = 0
    let error = unsafe withUnsafeMutableBytes(of: &words) {
      unsafe cring_channel_receive(fileDescriptor, $0.baseAddress, $0.count, &count)
    }
    return (error, count)
  }
}
