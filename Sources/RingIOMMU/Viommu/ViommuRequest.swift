/// What a ``ViommuServer`` is asked: 48 bytes, six words in the order of the machine.
///
/// Word 0: the magic number, the version in bits 32...47, the kind in bits 48...63. Word 1: the sequence number. Word 2:
/// the first IOVA page. Word 3: pages. Word 4: the first guest-physical page. Word 5: permissions, bit 0 read and bit 1
/// write. What a kind does not use is 0.
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
