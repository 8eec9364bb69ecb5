extension SplitDeviceQueue where Translator: ~Copyable {
  /// Goes on where another device ended: at the used index, which is all that it published.
  ///
  /// Only for a ring whose devices complete buffers in the order they fetch them, as `serve` does.
  public mutating func resume(at position: UInt16) -> Bool {
    precondition(fetched == RingIndex(0) && completed == RingIndex(0), "a queue resumes before it serves")
    guard ring.used.load16(SplitRing.indexOffset) == position else { return false }
    fetched = RingIndex(position)
    availableSeen = fetched
    completed = fetched
    published = fetched
    flags = ring.used.load16(0)
    return true
  }
}
