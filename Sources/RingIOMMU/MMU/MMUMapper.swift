internal import CRing
public import RingKit

/// DMA path `mmu`: the CPU's own MMU as the IOMMU, driver's side.
///
/// Map: take addresses in the ``MMUWindow`` and show the segment's pages there, for reading where the device may only
/// read. Unmap: put nothing there again, which shoots the entry out of every CPU's TLB. One system call each. A
/// device that touches the window elsewhere is ended by the hardware, whatever it checked before. Two limits are the
/// MMU's own: the rest of a segment's pages is reached too, and what the device may write it can also read.
///
/// A value owned by the driver's thread; the window behind it is shared.
@frozen
public struct MMUMapper<Counter: WorkCounter>: PairedPath, DrainedMapper, ~Copyable {
  /// What this mapper and the queue around it did.
  public var work: Counter
  /// Whose caches of free addresses are used.
  public let cpu: Int

  @usableFromInline let core: MMUCore
  private let files: PrivateTable<MMUFile>
  private let fileCount: Int
  // Keeps what `core` points to alive.
  private let window: MMUWindow

  /// A mapper of a window.
  ///
  /// - Parameters:
  ///   - window: what the device sees.
  ///   - cpu: the CPU this mapper's thread runs on, below ``MMUWindow/cpuCount``.
  ///   - counter: what counts the work.
  public init(window: MMUWindow, cpu: Int = 0, counter: Counter) {
    precondition(cpu >= 0 && cpu < window.cpuCount, "the window has no address caches for CPU \(cpu)")
    self.window = window
    self.cpu = cpu
    core = window.core
    work = counter
    var found: [MMUFile] = []
    for region in window.memory.regions {
      // Of a file of reserved 2 MiB pages nothing smaller can be shown.
      // Pages can be shown, so a region has to consist of them.
      guard let file = region.fileDescriptor, region.pageSize != .reserved2M, region.fileOffset & 4095 == 0 else {
        continue
      }
      found.append(
        MMUFile(
          guestBase: region.guestBase.rawValue, byteCount: UInt64(region.byteCount), fileDescriptor: file,
          fileOffset: region.fileOffset))
    }
    fileCount = found.count
    files = PrivateTable(
      count: found.count, repeating: MMUFile(guestBase: 0, byteCount: 0, fileDescriptor: -1, fileOffset: 0))
    for (i, file) in found.enumerated() { files[i] = file }
  }

  /// The path checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// A mapping of no bytes.
  @inlinable
  public static var unmapped: IOMMUMapping { IOMMUMapping(address: IOVA(0), length: 0) }

  /// Shows the segment's pages in the window.
  ///
  /// - Throws: `DMAError.outOfBounds(_:)`, `DMAError.notShareable(_:)`, `DMAError.iovaExhausted(pages:)`, or
  ///   `DMAError.kernelRefused(errno:)` (ENOMEM: the process has as many mappings as `vm.max_map_count` allows).
  public mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: IOMMUMapping) {
    let length = UInt64(segment.length)
    let file = try file(of: segment)
    let offset = segment.address.rawValue &- file.guestBase
    let pages = IOMMUPage.count(of: length, at: offset)
    let page = try core.allocator.allocate(pages: pages, cpu: cpu, counter: &work)
    // SAFETY: the allocator gave the pages to this call alone; the file is at least as long as its region.
    let error = unsafe cring_window_show(
      core.host(page), Int(pages << IOMMUPage.shift), file.fileDescriptor,
      file.fileOffset + offset & ~IOMMUPage.offsetMask, direction == .deviceWritable ? 1 : 0)
    work.add(.systemCalls, 1)
    guard error == 0 else {
      // A fixed mapping that fails has taken away what stood there before, or not: nothing, once more.
      if unsafe cring_window_hide(core.host(page), Int(pages << IOMMUPage.shift)) == 0 {
        core.allocator.free(page, pages: pages, cpu: cpu)
      }
      throw .kernelRefused(errno: error)
    }
    core.setPermission(page, pages: pages, PageTableEntry.permission(for: direction))
    work.add(.maps, 1)
    let iova = IOVA(page << IOMMUPage.shift | offset & IOMMUPage.offsetMask)
    return (iova, IOMMUMapping(address: iova, length: segment.length))
  }

  /// Makes the segment's range of the window untouchable again.
  ///
  /// - Throws: `DMAError.notMapped(_:)`; `DMAError.kernelRefused(errno:)`, and then the addresses stay reserved,
  ///   for the device may still reach them.
  public mutating func unmap(
    _ mapping: IOMMUMapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 {
    let page = mapping.page
    let pages = mapping.pageCount
    if mapping.length == 0 || core.permission(page) == 0 { throw .notMapped(mapping.address) }
    core.setPermission(page, pages: pages, 0)
    // SAFETY: the pages were shown by a map and are this mapper's until they are freed below.
    let error = unsafe cring_window_hide(core.host(page), Int(pages << IOMMUPage.shift))
    work.add(.systemCalls, 1)
    work.add(.unmaps, 1)
    guard error == 0 else { throw .kernelRefused(errno: error) }
    core.allocator.free(page, pages: pages, cpu: cpu)
    return 0
  }

  /// The window itself: the hardware translates.
  public func makeTranslator() -> MMUTranslator<Counter> { MMUTranslator(window: window, counter: Counter()) }

  /// Tells of the end of the process that is the device (`MMUWindow.watch(_:)`), and trims the caches of free
  /// addresses.
  ///
  /// - Throws: `DMAError.deviceEnded(_:)`.
  public mutating func poll() throws(DMAError) {
    if let end = window.deviceEnd { throw .deviceEnded(end) }
    if core.allocator.mayTrim { core.allocator.trim(now: cring_nanoseconds()) }
  }

  /// Nothing was deferred; tells of the end of the device's process.
  ///
  /// - Throws: `DMAError.deviceEnded(_:)`.
  public mutating func flush() throws(DMAError) {
    if let end = window.deviceEnd { throw .deviceEnded(end) }
  }

  private func file(of segment: MemorySegment) throws(DMAError) -> MMUFile {
    let length = UInt64(segment.length)
    for i in 0..<fileCount {
      let file = files[i]
      let offset = segment.address.rawValue &- file.guestBase
      if offset < file.byteCount && length &- 1 < file.byteCount &- offset { return file }
    }
    let isMemory = length != 0 && window.memory.driverTable.translate(segment.address, length: length) != nil
    throw isMemory ? .notShareable(segment) : .outOfBounds(segment)
  }
}

/// A region whose memfd can be shown in a window.
@usableFromInline
struct MMUFile: BitwiseCopyable {
  let guestBase: UInt64
  let byteCount: UInt64
  let fileDescriptor: Int32
  let fileOffset: UInt64
}

/// The device's side of the path `mmu`: an address is an offset in the window.
///
/// What it is asked for it holds against the window's words, and faults in type where they say no. An access
/// by an address after its unmap is beyond that, and meets the hardware. A value owned by the device's thread.
@frozen
public struct MMUTranslator<Counter: WorkCounter>: DMATranslator, ~Copyable {
  /// What the queue around it did.
  public var work: Counter

  @usableFromInline let core: MMUCore
  // Keeps what `core` points to alive.
  private let window: MMUWindow

  /// A translator of a window.
  public init(window: MMUWindow, counter: Counter) {
    self.window = window
    core = window.core
    work = counter
  }

  /// The translator checks its own results.
  @inlinable
  public static var isTrusted: Bool { true }

  /// Adds, after a look at each page.
  @inlinable @inline(__always)
  public mutating func translate(
    _ address: IOVA, byteCount: UInt64, for access: DMADirection
  ) throws(DMAFault) -> (host: HostAddress, byteCount: UInt64) {
    let wanted = PageTableEntry.permission(for: access)
    let first = address.rawValue >> IOMMUPage.shift
    let found = core.permission(first)
    if found & wanted == 0 { throw found == 0 ? .notMapped(address) : .notPermitted(address, access) }
    var reached = IOMMUPage.size &- address.rawValue & IOMMUPage.offsetMask
    var page = first
    while reached < byteCount {
      page &+= 1
      if core.permission(page) & wanted == 0 { break }
      reached &+= IOMMUPage.size
    }
    // SAFETY: the first page is below the window's end, and so is every page that was added.
    let host = unsafe HostAddress(core.base + Int(address.rawValue))
    return (host, min(reached, byteCount))
  }

  /// There is no IOMMU to serve on this side.
  @inlinable @inline(__always)
  public mutating func service() {}

  /// There is no IOMMU to serve on this side.
  public mutating func shareThread(_ isShared: Bool) {}
}
