/// Where things lie in the shared memory that notes what is in flight ("Inflight I/O tracking").
enum InflightLayout {
  /// Bytes of a queue's header and of each entry behind it.
  static func header(packed: Bool) -> Int { packed ? 32 : 16 }
  static func entry(packed: Bool) -> Int { packed ? 32 : 16 }

  /// Bytes of a queue of `size` entries: each begins in lines of its own, as in other back-ends.
  static func queueBytes(size: Int, packed: Bool) -> Int {
    (header(packed: packed) + size * entry(packed: packed) + 63) & ~63
  }

  // Both layouts: features (64 bits), then version and number of entries.
  static let version = 8
  static let entryCount = 10
  /// The version spoken here; 0 is memory that no back-end has used.
  static let currentVersion: UInt16 = 1
}
