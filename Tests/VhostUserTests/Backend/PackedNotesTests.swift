import RingKit
import Testing

@testable import VhostUser

/// What a packed queue's notes say of where a successor goes on ("Inflight I/O tracking"), at each step of a buffer.
@Suite struct PackedNotesTests {
  private static let size = 8

  private let notes: SharedMemory
  private let ring: PackedRing
  private let memory: GuestBuffer

  init() throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(0x10_0000), byteCount: 8192)
    memory = GuestBuffer(whole: region)
    ring = try PackedRing(in: memory.slice(at: 0, byteCount: 4096), size: Self.size)
    ring.clear()
    notes = unsafe SharedMemory(memory.slice(at: 4096, byteCount: 4096).host, byteCount: 4096)
  }

  /// Makes a descriptor available, or used, on a lap.
  private func write(_ slot: Int, id: UInt16, flags: UInt16) {
    ring.descriptors.store64(UInt64(id) << 32 | 100, 16 * slot + 8)
    ring.descriptors.store64(0x1000 + UInt64(id) * 0x100, 16 * slot)
    ring.descriptors.store16(flags, 16 * slot + 14)
  }

  private func offer(_ slots: Range<Int>) { for slot in slots { write(slot, id: UInt16(slot), flags: 0x80) } }

  private func made() -> PackedInflight {
    PackedInflight(notes, size: Self.size, ring: ring, at: WrapCounter(), fetching: WrapCounter(), again: [])
  }

  private func position() throws -> UInt16? {
    try PackedInflight.resume(notes, size: Self.size, ring, isInOrder: true)?.used.word
  }

  private func failure() -> VhostUserError? {
    do throws(VhostUserError) {
      _ = try PackedInflight.resume(notes, size: Self.size, ring, isInOrder: true)
    } catch { return error }
    return nil
  }

  @Test func memoryThatNobodyUsedSaysNothing() throws { #expect(try position() == nil) }

  @Test func aBufferCountsFromTheMomentTheDriverSeesIt() throws {
    offer(0..<4)
    var queue = made()
    #expect(try position() == 0x8000)
    for count in [1, 2, 1] as [UInt16] {
      queue.fetched(descriptorCount: count)
      #expect(try position() == 0x8000)
    }
    queue.publishing(0, descriptorCount: 1)
    #expect(try position() == 0x8000)
    write(0, id: 0, flags: 0x8080)
    #expect(try position() == 0x8001)
    queue.published()
    #expect(try position() == 0x8001)
    queue.publishing(2, descriptorCount: 2)
    write(1, id: 2, flags: 0x8080)
    #expect(try position() == 0x8003)
    queue.published()
    #expect(try position() == 0x8003)
  }

  @Test func aWholeRingInFlightIsFoundAgain() throws {
    offer(0..<Self.size)
    var queue = made()
    for _ in 0..<Self.size { queue.fetched(descriptorCount: 1) }
    #expect(try position() == 0x8000)
  }

  @Test func aDeviceThatUsedTheSecondOfTwoFirstHasNoSuccessorThatWorksInOrder() throws {
    offer(0..<2)
    var queue = made()
    queue.fetched(descriptorCount: 1)
    queue.fetched(descriptorCount: 1)
    // The second is used, at the first position; the first is in flight.
    write(0, id: 1, flags: 0x8080)
    notes.store16(0, 32 + 32)
    for offset in [16, 18] { notes.store16(1, offset) }
    #expect(failure() == .inflight("buffer 0 is in flight, and is not where a device that works in order left it"))
    // One that works in any order fetches it anew, from the notes.
    let found = try PackedInflight.resume(notes, size: Self.size, ring, isInOrder: false)
    #expect(found?.used.word == 0x8001 && found?.again.map(\.id) == [0])
    #expect(found?.again.first?.descriptors.first?.address == 0x1000)
  }

  /// Whenever the next one dies while it takes the notes over, they stand there: they are not written anew.
  @Test func whatIsNotInTheRingIsKeptWhereItIsNoted() throws {
    offer(0..<4)
    var queue = made()
    for count in [1, 2, 1] as [UInt16] { queue.fetched(descriptorCount: count) }
    // The first is done, so that the others are where no ring tells.
    queue.publishing(0, descriptorCount: 1)
    write(0, id: 0, flags: 0x8080)
    queue.published()
    queue.publishing(3, descriptorCount: 1)
    write(1, id: 3, flags: 0x8080)
    queue.published()
    let found = try #require(try PackedInflight.resume(notes, size: Self.size, ring, isInOrder: false))
    #expect(found.used.word == 0x8002 && found.again.map(\.id) == [2])
    // Entries 1 and 2 hold it, in the order of the free list.
    let before = (4..<12).map { notes.load64(32 + 8 * $0) }
    var next = PackedInflight(
      notes, size: Self.size, ring: ring, at: found.used, fetching: WrapCounter(word: 0x8004),
      again: found.again.map(\.descriptors))
    #expect((4..<12).map { notes.load64(32 + 8 * $0) } == before)
    let again = try PackedInflight.resume(notes, size: Self.size, ring, isInOrder: false)
    #expect(again?.used.word == 0x8002 && again?.again.map(\.id) == [2])
    // It is free once it is done.
    next.publishing(2, descriptorCount: 2)
    for slot in 2..<4 { write(slot, id: 2, flags: 0x8080) }
    next.published()
    #expect(try position() == 0x8004)
    offer(4..<8)
    for _ in 0..<4 { next.fetched(descriptorCount: 1) }
    #expect(try PackedInflight.resume(notes, size: Self.size, ring, isInOrder: true)?.again.isEmpty == true)
    #expect(try position() == 0x8004)
  }

  @Test func whatIsInFlightStandsInTheRingAsItWasFetched() throws {
    offer(0..<2)
    var queue = made()
    queue.fetched(descriptorCount: 2)
    ring.descriptors.store64(0x7777, 16)
    #expect(failure() == .inflight("buffer 1 is in flight, and is not where a device that works in order left it"))
  }

  @Test func aBufferThatWasBeingFetchedIsStillInTheRing() throws {
    offer(0..<2)
    var queue = made()
    queue.fetched(descriptorCount: 1)
    // The next free entry is marked, and nothing of it was written yet.
    notes.store64(1, 32 + 32)
    notes.store64(9, 32 + 32 + 8)
    #expect(try position() == 0x8000)
  }

  @Test func fieldsThatCannotBeAreRefused() throws {
    func refuses(_ offset: Int, _ value: UInt16) -> Bool {
      offer(0..<2)
      var queue = made()
      queue.fetched(descriptorCount: 1)
      notes.store16(value, offset)
      return failure() != nil
    }
    // The version, the number of entries, the used index and the old one, and a buffer's length.
    for (offset, value) in [(8, 2), (10, 9), (16, 8), (18, 8), (32 + 6, 0), (32 + 6, 9)] as [(Int, UInt16)] {
      #expect(refuses(offset, value), "\(value) at \(offset)")
    }
    // A batch that was published leads nowhere, or never ends.
    for value in [8, 1] as [UInt16] {
      offer(0..<2)
      var queue = made()
      queue.fetched(descriptorCount: 1)
      queue.publishing(0, descriptorCount: 1)
      write(0, id: 0, flags: 0x8080)
      notes.store16(value == 1 ? 0 : value, 32 + 2)
      #expect(failure() != nil)
    }
  }
}
