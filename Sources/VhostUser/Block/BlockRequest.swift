/// What a request asks for (virtio 1.2, 5.2.6).
enum BlockRequest: UInt32 {
  case read = 0
  case write = 1
  case flush = 4
  case identify = 8
  case discard = 11
  case writeZeroes = 13

  /// Bytes in front of the data: type, a reserved word and the sector.
  static let headerByteCount = 16
  /// Bytes of a range to discard or to zero: sector, number of sectors and flags.
  static let rangeByteCount = 16
  /// Bytes of the name that `identify` returns.
  static let nameByteCount = 20
}
