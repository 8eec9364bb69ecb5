import CRing
import Glibc
import Testing

/// Private memory: `cring_allocate_aligned`.
@Suite struct AllocationTests {
  @Test(arguments: [16, 64, 128, 4096, 1 << 21])
  func isAlignedAndZeroed(alignment: Int) throws {
    for bytes in [0, 1, alignment - 1, alignment, 3 * alignment + 1] {
      var block: UnsafeMutableRawPointer?
      #expect(unsafe cring_allocate_aligned(bytes, alignment, &block) == 0)
      let base = try unsafe #require(block)
      #expect(UInt(bitPattern: base) % UInt(alignment) == 0)
      #expect(unsafe UnsafeRawBufferPointer(start: base, count: bytes).allSatisfy { $0 == 0 })
      unsafe cring_free_aligned(base)
    }
  }

  @Test(arguments: [0, 1, 8, 24, 100])
  func refusesAnAlignmentThatIsNoPowerOfTwo(alignment: Int) {
    var block: UnsafeMutableRawPointer?
    #expect(unsafe cring_allocate_aligned(64, alignment, &block) == EINVAL)
    #expect(unsafe block == nil)
  }

  @Test func reportsWhatTheMachineDoesNotHave() {
    var block: UnsafeMutableRawPointer?
    // The sum with the alignment wraps in the first; the second fits the address type but no machine.
    #expect(unsafe cring_allocate_aligned(-1, 128, &block) == ENOMEM)
    #expect(unsafe cring_allocate_aligned(Int.max - 4096, 128, &block) == ENOMEM)
    #expect(unsafe block == nil)
  }

  @Test func freesNothing() { cring_free_aligned(nil) }
}
