import CRing
import Testing

/// Copies of payload bytes: every length around the sizes of their blocks, and not a byte beside it.
@Suite struct CopyTests {
  /// An operation of CRing on two buffers and a length.
  typealias Operation = (UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int) -> Void

  /// Bytes on both sides of what may be written: as many as the largest block has.
  static let margin = 32

  /// What an operation leaves of two buffers.
  struct Outcome {
    var to: [UInt8]
    var from: [UInt8]
  }

  @Test func copiesWhatItIsToldTo() {
    unsafe compare(
      { unsafe cring_copy($0, $1, $2) },
      expecting: { outcome, range in outcome.to.replaceSubrange(range, with: outcome.from[range]) })
  }

  @Test func movesAndLeavesZeros() {
    unsafe compare(
      { unsafe cring_move($0, $1, $2) },
      expecting: { outcome, range in
        outcome.to.replaceSubrange(range, with: outcome.from[range])
        outcome.from.replaceSubrange(range, with: range.map { _ in 0 })
      })
  }

  @Test func clearsNoMore() {
    unsafe compare(
      { to, _, count in unsafe cring_clear(to, count) },
      expecting: { outcome, range in outcome.to.replaceSubrange(range, with: range.map { _ in 0 }) })
  }

  /// Runs an operation on each length at some offsets in a line, beside the same said in Swift.
  private func compare(_ operation: Operation, expecting expected: (inout Outcome, Range<Int>) -> Void) {
    for length in Array(0...130) + [1500] {
      for offset in [0, 1, 15, 24] {
        let range = (Self.margin + offset)..<(Self.margin + offset + length)
        let count = range.upperBound + Self.margin
        // No byte is zero, and none the same in both.
        var found = Outcome(
          to: (0..<count).map { UInt8(truncatingIfNeeded: $0) | 1 },
          from: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) & 0xfe | 2 })
        var model = found
        unsafe found.to.withUnsafeMutableBytes { to in
          unsafe found.from.withUnsafeMutableBytes { from in
            guard let to = to.baseAddress, let from = from.baseAddress else { return }
            unsafe operation(to + range.lowerBound, from + range.lowerBound, length)
          }
        }
        expected(&model, range)
        #expect(found.to == model.to && found.from == model.from, "\(length) bytes at \(offset)")
      }
    }
  }
}
