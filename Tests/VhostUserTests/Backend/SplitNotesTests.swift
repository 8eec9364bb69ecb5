import RingKit
import Testing

@testable import VhostUser

/// The notes of what a split queue has in flight, at the moments at which a back-end may die.
@Suite struct SplitNotesTests {
  private static let size = 8
  private let region: MemoryRegion
  private let notes: SharedMemory

  init() throws {
    region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 4096)
    notes = unsafe SharedMemory(region.hostBase, byteCount: 4096)
  }

  /// What the next one finds, where the available ring has `ring` behind the used index.
  private func found(used: UInt16, _ ring: [UInt16]) throws -> [UInt16]? {
    try SplitInflight.resume(notes, size: Self.size, used: used, isInOrder: false) { offset in
      ring.indices.contains(Int(offset)) ? ring[Int(offset)] : 0xffff
    }
  }

  private func flag(_ head: Int) -> UInt64 { notes.load64(16 + 16 * head) & 0xff }

  @Test func memoryThatNobodyUsedSaysNothing() throws { #expect(try found(used: 0, []) == nil) }

  /// The index is published, and one of the batch after the other is taken out; the index in the notes comes last.
  @Test func aBatchLeadsToItsOthersUntilItsIndexIsStored() throws {
    var queue = SplitInflight(notes, size: Self.size, used: 0, again: [])
    for head in [0, 3, 1, 2] as [UInt16] { queue.fetched(head) }
    for head in [3, 1, 2] as [UInt16] { queue.completed(head) }
    let words = [1, 2, 3].map { notes.load64(16 + 16 * $0) }
    queue.published(3)
    // Only what is in flight was changed.
    #expect([1, 2, 3].map { notes.load64(16 + 16 * $0) } == words.map { $0 & ~0xff })
    for dead in [[], [3], [3, 1], [3, 1, 2]] as [[Int]] {
      for (head, word) in zip([1, 2, 3], words) {
        notes.store64(word & (dead.contains(head) ? ~0xff : .max), 16 + 16 * head)
      }
      notes.store16(0, 14)
      #expect(try found(used: 3, [7]) == [0], "\(dead)")
    }
  }

  /// What the available ring does not tell is kept; it keeps its order, and everything else goes.
  @Test func whatIsNotInTheRingIsKept() throws {
    var queue = SplitInflight(notes, size: Self.size, used: 0, again: [])
    for head in [5, 0, 2, 6] as [UInt16] { queue.fetched(head) }
    queue.completed(0)
    queue.published(1)
    #expect(try found(used: 1, [0, 2, 6]) == [5, 2, 6])
    var next = SplitInflight(notes, size: Self.size, used: 1, again: [5, 2, 6])
    #expect((0..<8).filter { flag($0) == 1 } == [2, 5, 6] && notes.load16(14) == 1)
    #expect(try found(used: 1, [0, 2, 6]) == [5, 2, 6])
    next.completed(2)
    next.published(2)
    #expect(try found(used: 2, [0, 2, 6]) == [5, 6])
  }

  /// What it has is fetched from it again, so that nothing is noted until then.
  @Test func whatTheRingHasIsNotedAsItIsFetched() throws {
    var queue = SplitInflight(notes, size: Self.size, used: 0, again: [])
    for head in [5, 0, 2] as [UInt16] { queue.fetched(head) }
    #expect(try found(used: 0, [5, 0, 2]) == [])
    var next = SplitInflight(notes, size: Self.size, used: 0, again: [])
    #expect((0..<8).allSatisfy { flag($0) == 0 })
    next.fetched(5)
    #expect(try found(used: 0, [5, 0, 2]) == [] && flag(5) == 1)
  }
}
