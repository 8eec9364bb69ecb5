import CRing
import Glibc
import TestTraits
import Testing

/// Memory that another process takes away is a note, and nothing else is.
@Suite struct LossTests {
  /// A file without a name, which can shrink.
  private static func file(_ byteCount: Int) -> Int32 {
    var name = Array("/tmp/ringkit-loss-XXXXXX".utf8CString)
    let file = unsafe mkstemp(&name)
    unsafe unlink(name)
    return ftruncate(file, off_t(byteCount)) == 0 ? file : -1
  }

  /// One that is mapped.
  private func map(_ byteCount: Int) -> (region: cring_region, file: Int32) {
    let file = Self.file(byteCount)
    var region = unsafe cring_region()
    #expect(unsafe cring_region_map_file(dup(file), 0, byteCount, 0, &region) == 0)
    return unsafe (region, file)
  }

  @Test func aShrunkFileIsNotedAndReadsAsZeros() {
    var (region, file) = unsafe map(8192)
    var (other, otherFile) = unsafe map(8192)
    unsafe memset(region.base, 0x5a, 8192)
    unsafe memset(other.base, 0x5a, 8192)
    #expect(ftruncate(file, 4096) == 0)
    // What is still there is.
    #expect(unsafe cring_load_relaxed_32(region.base) == 0x5a5a_5a5a && !cring_loss_happened(region.loss))
    let last = unsafe region.base.advanced(by: 8188)
    #expect(unsafe cring_load_relaxed_32(last) == 0 && cring_loss_happened(region.loss))
    // All of the mapping, and no other: it can be written, and no other mapping sees it.
    #expect(unsafe cring_load_relaxed_32(region.base) == 0)
    unsafe memset(region.base, 1, 8192)
    var byte: UInt8 = 0
    #expect(unsafe pread(file, &byte, 1, 0) == 1 && byte == 0x5a)
    #expect(unsafe cring_load_relaxed_32(other.base) == 0x5a5a_5a5a && !cring_loss_happened(other.loss))
    unsafe cring_region_unmap(&region)
    unsafe cring_region_unmap(&other)
    close(file)
    close(otherFile)
  }

  @Test func aWatchThatIsUsedAgainBeginsAnew() {
    for _ in 0..<3 {
      var (region, file) = unsafe map(4096)
      #expect(unsafe !cring_loss_happened(region.loss))
      #expect(ftruncate(file, 0) == 0)
      #expect(unsafe cring_load_relaxed_32(region.base) == 0 && cring_loss_happened(region.loss))
      unsafe cring_region_unmap(&region)
      close(file)
    }
  }

  @Test(.afterTheOthers) func everyOtherBusErrorGoesToTheHandlerThatWasThereBefore() async {
    await #expect(processExitsWith: .exitCode(77)) {
      signal(SIGBUS) { _ in _exit(77) }
      let file = LossTests.file(4096)
      let bytes = unsafe mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
      // A watched mapping beside it installs the handler.
      var watched = unsafe cring_region()
      _ = unsafe cring_region_map(4096, CRING_WANT_4K, 1, -1, "watched", &watched)
      _ = ftruncate(file, 0)
      if let bytes = unsafe bytes { _ = unsafe cring_load_relaxed_32(bytes) }
      exit(0)
    }
  }

  @Test(.afterTheOthers) func withoutOneTheProcessEnds() async {
    await #expect(processExitsWith: .signal(SIGBUS)) {
      signal(SIGBUS, SIG_DFL)
      var watched = unsafe cring_region()
      _ = unsafe cring_region_map(4096, CRING_WANT_4K, 1, -1, "watched", &watched)
      raise(SIGBUS)
      exit(0)
    }
  }
}
