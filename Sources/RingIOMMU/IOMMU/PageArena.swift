internal import RingKit

/// Zeroed 4 KiB pages for page tables; all of them live until the arena does.
///
/// Linux frees tables that an unmap covers whole and keeps those it covers in part; here every one is kept. Guarded by
/// the page table's lock.
@safe
struct PageArena: ~Copyable {
  // Small enough for a test to reach the limit, large enough that a table page rarely costs an allocation.
  private static let chunkPages = 64

  private var chunks: [UnsafeMutableRawPointer] = unsafe []
  private var used = 0
  private let limit: Int
  // Where the pages are, when they are somebody else's.
  private let given: GuestBuffer?

  /// An arena of at most `limit` pages.
  init(limit: Int) {
    self.limit = limit
    given = nil
  }

  /// An arena of the pages of some memory, which is zeroed and stays mapped.
  init(in memory: GuestBuffer) {
    limit = memory.byteCount / 4096
    given = memory
  }

  deinit {
    for i in unsafe chunks.indices { unsafe RawBlock.free(chunks[i]) }
  }

  /// The next page, or `nil` at the limit or without memory.
  mutating func allocate() -> UnsafeMutableRawPointer? {
    guard used < limit else { return nil }
    if let given {
      defer { used += 1 }
      return unsafe given.host.advanced(by: used * 4096).pointer
    }
    let (chunk, index) = used.quotientAndRemainder(dividingBy: Self.chunkPages)
    if unsafe chunk == chunks.count {
      guard let fresh = unsafe RawBlock.tryAllocate(Self.chunkPages * 4096, alignment: 4096) else { return nil }
      unsafe chunks.append(fresh)
    }
    used += 1
    return unsafe chunks[chunk] + index * 4096
  }
}
