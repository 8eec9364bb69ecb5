/// Sixty-four bits that tell a value from a damaged one: FNV-1a over 64-bit words, mixed once more per word.
///
/// Finds accidents, not intent.
struct StateDigest {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ word: UInt64) {
    value = (value ^ word) &* 0x100_0000_01b3
    // A word's high bits would otherwise never reach the low ones.
    value ^= value >> 29
  }

  /// Counted, so that two lists in a row have one reading only.
  mutating func add(_ words: [UInt64]) {
    add(UInt64(words.count))
    for word in words { add(word) }
  }

  mutating func add(_ position: QueueState.Position?) {
    guard let position else { return add([] as [UInt64]) }
    add([UInt64(position.offset), position.wrap ? 1 : 0])
  }

  mutating func add(_ segments: [QueueState.Segment]) {
    add(UInt64(segments.count))
    for segment in segments {
      add([segment.address, segment.deviceAddress, UInt64(segment.length), segment.isWritable ? 1 : 0])
    }
  }
}
