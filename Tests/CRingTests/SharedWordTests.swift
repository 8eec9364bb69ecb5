import CRing
import RingKitTesting
import Testing

/// The lock and the read-modify-write operations, each under two threads at once.
@Suite struct SharedWordTests {
  // One lock and what it guards, 128 bytes apart.
  @safe private final class Words: @unchecked Sendable {
    let base = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 128)
    init() { unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: 256) }
    deinit { unsafe base.deallocate() }
  }

  @Test func lockExcludes() {
    let words = Words()
    let rounds = 2000
    concurrently(2) { _ in
      let guarded = unsafe (words.base + 128).assumingMemoryBound(to: Int.self)
      let arrived = unsafe words.base + 64
      _ = unsafe cring_fetch_add_relaxed_64(arrived, 1)
      while unsafe cring_load_relaxed_64(arrived) < 2 { cring_spin_hint() }
      for _ in 0..<rounds {
        unsafe cring_lock(words.base)
        // Not atomic, and drawn out beyond the time the lock's line takes to move: without the lock, additions are
        // lost.
        let value = unsafe guarded.pointee
        for _ in 0..<100 { cring_spin_hint() }
        unsafe guarded.pointee = value + 1
        unsafe cring_unlock(words.base)
      }
    }
    #expect(unsafe words.base.load(fromByteOffset: 128, as: Int.self) == 2 * rounds)
    #expect(unsafe words.base.load(as: UInt32.self) == 0)
  }

  @Test func additionsAreNotLost() {
    let words = Words()
    concurrently(2) { _ in
      for _ in 0..<50_000 { _ = unsafe cring_fetch_add_relaxed_64(words.base, 3) }
    }
    #expect(unsafe cring_load_relaxed_64(words.base) == 300_000)
  }

  @Test func maximumIsKept() {
    let words = Words()
    concurrently(2) { thread in
      for value in 0..<50_000 { unsafe cring_fetch_max_relaxed_64(words.base, UInt64(2 * value + thread)) }
    }
    #expect(unsafe cring_load_relaxed_64(words.base) == 99_999)
  }

  @Test func eachWidthReadsWhatItWrote() {
    let words = Words()
    unsafe cring_store_release_64(words.base, 0x1122_3344_5566_7788)
    #expect(unsafe cring_load_acquire_64(words.base) == 0x1122_3344_5566_7788)
    unsafe cring_store_relaxed_32(words.base + 4, 0xAABB_CCDD)
    #expect(unsafe cring_load_relaxed_32(words.base + 4) == 0xAABB_CCDD)
    unsafe cring_store_release_16(words.base + 2, 0xEEFF)
    #expect(unsafe cring_load_acquire_16(words.base + 2) == 0xEEFF)
    #expect(unsafe cring_load_relaxed_16(words.base) == 0x7788)
  }
}
