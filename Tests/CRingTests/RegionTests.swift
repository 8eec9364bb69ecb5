import CRing
import Glibc
import TestTraits
import Testing

/// Mapped regions: `cring_region_map`, `cring_region_attach`, `cring_pages_nodes`.
@Suite struct RegionTests {
  private func map(
    _ bytes: Int, _ want: cring_page_want = CRING_WANT_4K, shared: Bool = true, node: Int32 = -1
  ) throws -> cring_region {
    var region = unsafe cring_region()
    let error = unsafe cring_region_map(bytes, want, shared ? 1 : 0, node, "ringkit-test", &region)
    try #require(error == 0)
    return unsafe region
  }

  @Test(arguments: [true, false])
  func roundsUpToPagesAndZeroes(shared: Bool) throws {
    var region = try unsafe map(4097, shared: shared)
    defer { unsafe cring_region_unmap(&region) }
    #expect(unsafe region.bytes == 8192)
    #expect(unsafe UInt(bitPattern: region.base) % 4096 == 0)
    #expect(unsafe region.pages == CRING_PAGES_4K)
    #expect(unsafe (region.fd >= 0) == shared)
    #expect(unsafe UnsafeRawBufferPointer(start: region.base, count: region.bytes).allSatisfy { $0 == 0 })
    unsafe region.base.storeBytes(of: 7, toByteOffset: 8191, as: UInt8.self)
  }

  @Test func refusesNothingAndTooMuch() {
    var region = unsafe cring_region()
    #expect(unsafe cring_region_map(0, CRING_WANT_4K, 1, -1, "ringkit-test", &region) == EINVAL)
    #expect(unsafe cring_region_map(-1, CRING_WANT_4K, 1, -1, "ringkit-test", &region) == ENOMEM)
    #expect(unsafe cring_region_map(1 << 60, CRING_WANT_4K, 0, -1, "ringkit-test", &region) == ENOMEM)
    #expect(unsafe region.base == nil)
    #expect(unsafe region.fd == -1)
  }

  @Test func sealsTheSizeOfASharedRegion() throws {
    var region = try unsafe map(8192)
    defer { unsafe cring_region_unmap(&region) }
    let fd = unsafe region.fd
    // F_GET_SEALS; F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW.
    let seals = fcntl(fd, 1034)
    #expect(seals & 0b111 == 0b111)
    #expect(ftruncate(fd, 4096) == -1)
    #expect(ftruncate(fd, 16384) == -1)
    #expect(fcntl(fd, F_GETFD) & FD_CLOEXEC != 0)
  }

  @Test func attachesToTheSameBytes() throws {
    var region = try unsafe map(8192)
    defer { unsafe cring_region_unmap(&region) }
    var other = unsafe cring_region()
    // A high number, so that no test beside this one opens it again once it is closed.
    let duplicate = unsafe fcntl(region.fd, F_DUPFD, 900)
    try #require(unsafe cring_region_attach(duplicate, 8192, 1, &other) == 0)
    #expect(unsafe other.base != region.base)
    unsafe region.base.storeBytes(of: 0xA5, toByteOffset: 5000, as: UInt8.self)
    #expect(unsafe other.base.load(fromByteOffset: 5000, as: UInt8.self) == 0xA5)
    unsafe other.base.storeBytes(of: 0x5A, toByteOffset: 5001, as: UInt8.self)
    #expect(unsafe region.base.load(fromByteOffset: 5001, as: UInt8.self) == 0x5A)
    unsafe cring_region_unmap(&other)
    #expect(fcntl(duplicate, F_GETFD) == -1, "the descriptor is closed with the region")
    #expect(unsafe other.base == nil)
    // Twice is once.
    unsafe cring_region_unmap(&other)
  }

  @Test func refusesAFileThatIsTooShort() throws {
    var region = try unsafe map(8192)
    defer { unsafe cring_region_unmap(&region) }
    var other = unsafe cring_region()
    #expect(unsafe cring_region_attach(region.fd, 8193, 1, &other) == EINVAL)
    #expect(unsafe cring_region_attach(region.fd, 0, 1, &other) == EINVAL)
    #expect(unsafe cring_region_attach(-1, 4096, 1, &other) == EBADF)
    #expect(unsafe other.base == nil)
    #expect(unsafe fcntl(region.fd, F_GETFD) >= 0, "a refused descriptor stays the caller's")
  }

  @Test func refusesAFileThatCouldShrink() throws {
    // glibc hides it from Swift behind a feature macro. 2 is MFD_ALLOW_SEALING; no seal is set.
    let symbol = try unsafe #require(dlsym(nil, "memfd_create"))
    let create = unsafe unsafeBitCast(symbol, to: (@convention(c) (UnsafePointer<CChar>, UInt32) -> Int32).self)
    let fd = unsafe create("ringkit-unsealed", 2)
    try #require(fd >= 0)
    defer { close(fd) }
    try #require(ftruncate(fd, 4096) == 0)
    var region = unsafe cring_region()
    #expect(unsafe cring_region_attach(fd, 4096, 1, &region) == EPERM)
    // F_ADD_SEALS, F_SEAL_GROW: not the seal that matters.
    try #require(fcntl(fd, 1033, 4) == 0)
    #expect(unsafe cring_region_attach(fd, 4096, 1, &region) == EPERM)
    #expect(unsafe region.base == nil)
  }

  /// A part of a huge page is mapped as all of it, and the kernel unmaps nothing less.
  @Test func aPartOfAHugePageIsGivenBackWhole() throws {
    let page = 2 << 20
    let symbol = try unsafe #require(dlsym(nil, "memfd_create"))
    let create = unsafe unsafeBitCast(symbol, to: (@convention(c) (UnsafePointer<CChar>, UInt32) -> Int32).self)
    // MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB; then F_ADD_SEALS, F_SEAL_SHRINK.
    let huge = unsafe create("ringkit-huge", 2 | 4 | 21 << 26)
    guard huge >= 0, ftruncate(huge, page) == 0, fcntl(huge, 1033, 2) == 0 else {
      print("no file of huge pages can be made here: skipped")
      return
    }
    var region = unsafe cring_region()
    guard unsafe cring_region_attach(huge, 5000, 1, &region) == 0 else {
      print("no huge page is reserved here: skipped")
      close(huge)
      return
    }
    let base = unsafe region.base
    #expect(unsafe region.bytes == 5000 && region.mapped == page)
    unsafe region.base.storeBytes(of: 7, toByteOffset: 4999, as: UInt8.self)
    unsafe cring_region_unmap(&region)
    // Nothing of it is there any more: the kernel takes the address when asked for it.
    let at = unsafe mmap(base, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    #expect(unsafe at == base)
    if let at = unsafe at { unsafe munmap(at, page) }
  }

  @Test(arguments: [true, false])
  func saysWhatPagesItGot(shared: Bool) throws {
    var region = try unsafe map(3 << 20, CRING_WANT_2M, shared: shared)
    defer { unsafe cring_region_unmap(&region) }
    var huge = 0
    #expect(unsafe cring_region_huge_bytes(&region, &huge) == 0)
    print("a request for 2 MiB pages (shared: \(shared)) got kind \(unsafe region.pages.rawValue), \(huge) bytes")
    if unsafe region.pages == CRING_PAGES_4K {
      #expect(huge == 0)
    } else {
      #expect(huge > 0)
      #expect(unsafe region.bytes == 4 << 20)
      #expect(unsafe UInt(bitPattern: region.base) % (2 << 20) == 0)
    }
    #expect(unsafe region.bytes >= 3 << 20)
  }

  @Test func smallRegionsCountNoHugePages() throws {
    var region = try unsafe map(1 << 20)
    defer { unsafe cring_region_unmap(&region) }
    var huge = 1
    #expect(unsafe cring_region_huge_bytes(&region, &huge) == 0)
    #expect(huge == 0)
  }

  @Test func everyPageIsOnTheNodeItWasBoundTo() throws {
    let nodes = (0..<cring_node_limit()).filter { cring_node_exists($0) }
    #expect(!nodes.isEmpty)
    for node in nodes {
      // More pages than one question to the kernel carries.
      var region = try unsafe map(1000 * 4096, node: node)
      defer { unsafe cring_region_unmap(&region) }
      var found = [Int32](repeating: -1, count: 1000)
      #expect(unsafe cring_pages_nodes(region.base, 1000, &found) == 0)
      #expect(found.allSatisfy { $0 == node })
    }
  }

  @Test func refusesANodeThatDoesNotExist() {
    var region = unsafe cring_region()
    #expect(unsafe cring_region_map(4096, CRING_WANT_4K, 0, 4095, "ringkit-test", &region) == EINVAL)
    #expect(unsafe cring_region_map(2 << 20, CRING_WANT_2M, 1, 4095, "ringkit-test", &region) == EINVAL)
    #expect(unsafe region.base == nil)
  }

  /// A program that is to end maps what it was about to map, and leaves its pages to their first use.
  @Test(.afterTheOthers) func populatingEndsWhenTheProgramIsTo() async {
    await #expect(processExitsWith: .exitCode(0)) {
      func resident() -> Int {
        var region = unsafe cring_region()
        guard unsafe cring_region_map(192 << 20, CRING_WANT_4K, 0, -1, "ringkit-test", &region) == 0 else { exit(2) }
        var pages = [UInt8](repeating: 0, count: unsafe region.bytes / 4096)
        guard unsafe mincore(region.base, region.bytes, &pages) == 0 else { exit(3) }
        unsafe cring_region_unmap(&region)
        return pages.count { $0 & 1 != 0 }
      }
      guard resident() == 192 << 8 else { exit(4) }
      cring_populate_until {
        defer { unsafe asked += 1 }
        return unsafe asked > 0
      }
      // One part of 64 MiB, and no other.
      guard resident() == 64 << 8, unsafe asked == 2 else { exit(5) }
      cring_populate_until(nil)
      exit(resident() == 192 << 8 ? 0 : 6)
    }
  }

  /// What a store would end the process for is an error: here pages behind the end of a file, as with reserved pages of
  /// 2 MiB that the node of a binding has no more of.
  @Test(.afterTheOthers) func populatingWhatCannotBeHadIsAnErrorAndNoSignal() async {
    await #expect(processExitsWith: .exitCode(0)) {
      var name = Array("/tmp/ringkit-populate-XXXXXX".utf8CString)
      let file = unsafe mkstemp(&name)
      unsafe unlink(name)
      let base = unsafe mmap(nil, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
      guard file >= 0, ftruncate(file, 4096) == 0, let base = unsafe base else { exit(2) }
      guard unsafe cring_region_populate(base, 4096, 4096) == 0 else { exit(3) }
      // Before Linux 5.14 only pages of 2 MiB are refused.
      let error = unsafe cring_region_populate(base, 8192, 2 << 20)
      exit(error == ENOMEM || error == EOPNOTSUPP ? 0 : 4)
    }
  }
}

/// How often a program was asked whether it is to end; of a process of its own.
nonisolated(unsafe) private var asked = 0
