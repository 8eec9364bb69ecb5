// Public, because inlinable code may name only what its callers can see.
public import CRing
internal import Glibc
public import RingKit
internal import Synchronization

/// The range of a process's address space through which a device sees guest memory on the path `mmu`.
///
/// Reserved and untouchable at first. A map shows pages of a shared region's memfd at an offset in it, an unmap puts
/// nothing there again; both are changes of the CPU's own page table, and the unmap returns when no CPU of the process
/// has the old entry in its TLB. An address in a descriptor is an offset in the window. Beside the page table there is
/// a word a page that says what it lets through, so that a device which asks first gets a typed fault instead of a
/// signal.
///
/// Shared by the mappers and translators of a device's queues, whichever thread they live on.
@safe
public final class MMUWindow: @unchecked Sendable {
  /// The memory that can be shown.
  public let memory: GuestMemory
  /// Bytes of address space.
  public let byteCount: Int
  /// CPUs with caches of free addresses of their own.
  public let cpuCount: Int

  let core: MMUCore
  private let device = Mutex<ChildProcess?>(nil)

  /// A window through which nothing is seen.
  ///
  /// - Parameters:
  ///   - memory: what can be shown: its shared regions of 4 KiB and transparent 2 MiB pages.
  ///   - byteCount: bytes of address space, a multiple of 4 KiB from two pages up; memory is taken for a word a page.
  ///   - cpuCount: CPUs with caches of free addresses of their own.
  /// - Throws: `MemoryError.invalidSize(_:)`, or `MemoryError.system(operation:errno:)`, with EINVAL for a number of
  ///   CPUs that is not from 1 to 8,192.
  public init(memory: GuestMemory, byteCount: Int = 1 << 30, cpuCount: Int = 1) throws(MemoryError) {
    guard byteCount >= 2 * Int(IOMMUPage.size), byteCount <= 1 << 46, byteCount % Int(IOMMUPage.size) == 0 else {
      throw .invalidSize(byteCount)
    }
    guard (1...8192).contains(cpuCount) else {
      throw .system(operation: "making address caches for \(cpuCount) CPUs", errno: EINVAL)
    }
    var base: UnsafeMutableRawPointer?
    let error = unsafe cring_window_reserve(byteCount, &base)
    guard error == 0, let base = unsafe base else {
      throw .system(operation: "reserving \(byteCount) bytes of address space", errno: error)
    }
    self.memory = memory
    self.byteCount = byteCount
    self.cpuCount = cpuCount
    core = unsafe MMUCore(base, pages: UInt64(byteCount) >> IOMMUPage.shift, cpuCount: cpuCount)
  }

  deinit {
    unsafe cring_window_release(core.base, byteCount)
    core.deallocate()
  }

  /// Where the window starts in this process.
  public var hostBase: HostAddress { unsafe HostAddress(core.base) }

  /// Names the process that is the device, when it is another one.
  ///
  /// From then on ``MMUMapper/poll()`` and ``MMUMapper/flush()`` tell of its end: what touches the window where nothing
  /// is shown dies of it, and the driver's queue says so. A process that was forked sees what was shown by then, in a
  /// window at the same offset.
  package func watch(_ process: ChildProcess) { device.withLock { $0 = process } }

  /// How the process that is the device ended; `nil` while it runs, or when it is this one.
  package var deviceEnd: ProcessEnd? { device.withLock { $0 }?.end }

  /// Ranges of addresses in use, those that wait in caches for reuse included.
  public var rangesInUse: Int { core.allocator.rangesInTree }
}

/// The parts of a window as its hot paths hold them: pointers and numbers, nothing counted.
///
/// Its holder holds the ``MMUWindow`` too.
@frozen @safe
@usableFromInline
struct MMUCore: @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let pageCount: UInt64
  @usableFromInline let allocator: IOVAAllocator
  // 32 bits a page: what it lets through, 0 where nothing is shown.
  @usableFromInline let permissions: UnsafeMutableRawPointer

  init(_ base: UnsafeMutableRawPointer, pages: UInt64, cpuCount: Int) {
    unsafe self.base = unsafe base
    pageCount = pages
    // Never gives out page 0, so that no buffer has the address 0.
    allocator = IOVAAllocator(cpuCount: cpuCount, limit: pages)
    unsafe permissions = RawBlock.allocate(Int(pages) * 4)
  }

  func deallocate() {
    allocator.deallocate()
    unsafe RawBlock.free(permissions)
  }

  @inlinable @inline(__always)
  func permission(_ page: UInt64) -> UInt64 {
    if page >= pageCount { return 0 }
    // Pairs with the release in `setPermission`: a thread that sees a page open finds it shown.
    // SAFETY: page < pageCount, and that many words were allocated.
    return unsafe UInt64(cring_load_acquire_32(permissions + Int(page) &* 4))
  }

  func setPermission(_ page: UInt64, pages: UInt64, _ value: UInt64) {
    for at in page..<(page + pages) {
      // SAFETY: the allocator gives out pages below pageCount alone.
      unsafe cring_store_release_32(permissions + Int(at) * 4, UInt32(value))
    }
  }

  func host(_ page: UInt64) -> UnsafeMutableRawPointer { unsafe base + Int(page << IOMMUPage.shift) }
}
