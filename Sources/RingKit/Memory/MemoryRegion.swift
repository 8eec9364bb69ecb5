internal import CRing

/// A contiguous piece of guest memory, mapped in this process.
///
/// The memory is zeroed, touched at creation (so its placement is decided) and unmapped with the last reference. Safe
/// to share between threads: nothing of it changes after `init`; its *content* is shared memory and follows the rules
/// of the ring that lives there.
@safe
public final class MemoryRegion: @unchecked Sendable {
  /// Where the region starts in the guest's physical address space.
  public let guestBase: GuestPhysicalAddress
  /// Its size in bytes: the request, rounded up to whole pages.
  public let byteCount: Int
  /// The node it was bound to, or `nil` when the kernel placed it where it liked.
  public let node: Int?
  /// What pages it really got.
  public let pageSize: PageSize
  /// Who may see it.
  public let visibility: Visibility

  private var region: cring_region

  /// Maps new memory.
  ///
  /// - Parameters:
  ///   - guestBase: the guest-physical address of its first byte.
  ///   - byteCount: bytes wanted; rounded up to whole pages.
  ///   - visibility: shared regions are memfds, private ones are anonymous.
  ///   - node: the NUMA node to bind to before the first touch.
  ///   - pages: 2 MiB pages where there are any; see ``pageSize`` for what was granted.
  /// - Throws: ``MemoryError`` when the size, the node or the kernel does not allow it.
  public init(
    at guestBase: GuestPhysicalAddress, byteCount: Int, visibility: Visibility = .shared, node: Int? = nil,
    pages: PageSizeRequest = .small
  ) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    if let node, !cring_node_exists(Int32(clamping: node)) { throw .noSuchNode(node) }
    var region = unsafe cring_region()
    let want = pages == .huge ? CRING_WANT_2M : CRING_WANT_4K
    let error = unsafe cring_region_map(
      byteCount, want, visibility == .shared ? 1 : 0, Int32(node ?? -1), "ringkit", &region)
    guard error == 0 else { throw .system(operation: "mapping \(byteCount) bytes", errno: error) }
    guard guestBase.advanced(by: unsafe UInt64(region.bytes) - 1) != nil else {
      unsafe cring_region_unmap(&region)
      throw .addressOverflow(guestBase, byteCount: byteCount)
    }
    self.guestBase = guestBase
    self.byteCount = unsafe region.bytes
    self.node = node
    self.visibility = visibility
    self.pageSize =
      switch unsafe region.pages {
      case CRING_PAGES_2M_HUGETLB: .reserved2M
      case CRING_PAGES_2M_TRANSPARENT: .transparent2M
      default: .small
      }
    unsafe self.region = region
  }

  /// Maps memory that another process made and passed over as a sealed memfd.
  ///
  /// - Parameters:
  ///   - fileDescriptor: taken over: closed with the region, or by the caller when this throws.
  ///   - byteCount: bytes to map; the file must be at least that long and sealed against shrinking.
  ///   - guestBase: the guest-physical address of its first byte.
  /// - Throws: ``MemoryError/system(operation:errno:)`` with EINVAL (too short) or EPERM (not sealed).
  public init(
    attaching fileDescriptor: Int32, byteCount: Int, at guestBase: GuestPhysicalAddress
  ) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    guard guestBase.advanced(by: UInt64(byteCount) - 1) != nil else {
      throw .addressOverflow(guestBase, byteCount: byteCount)
    }
    var region = unsafe cring_region()
    let error = unsafe cring_region_attach(fileDescriptor, byteCount, 1, &region)
    guard error == 0 else { throw .system(operation: "attaching \(byteCount) bytes of shared memory", errno: error) }
    self.guestBase = guestBase
    self.byteCount = byteCount
    self.node = nil
    self.pageSize = .small
    self.visibility = .shared
    unsafe self.region = region
  }

  /// Takes over what was mapped for it.
  init(mapped region: cring_region, at guestBase: GuestPhysicalAddress) {
    self.guestBase = guestBase
    self.byteCount = unsafe region.bytes
    self.node = nil
    self.pageSize = .small
    self.visibility = .shared
    unsafe self.region = region
  }

  deinit { unsafe cring_region_unmap(&region) }

  /// Where the region starts in this process.
  public var hostBase: HostAddress { unsafe HostAddress(region.base) }

  /// The memfd behind a shared region, for passing to another process.
  ///
  /// `nil` for a private one. The region owns it.
  public var fileDescriptor: Int32? { unsafe region.fd >= 0 ? region.fd : nil }

  /// Bytes of the region that lie on 2 MiB pages right now.
  public var hugeByteCount: Int {
    var bytes = 0
    return unsafe cring_region_huge_bytes(&region, &bytes) == 0 ? bytes : 0
  }

  /// How many 4 KiB pages of the region lie on which node: what the kernel says now, not what was asked.
  ///
  /// - Throws: ``MemoryError/system(operation:errno:)`` when the kernel will not tell.
  public func pagesPerNode() throws(MemoryError) -> [Int: Int] {
    var nodes = [Int32](repeating: 0, count: byteCount / 4096)
    let error = unsafe nodes.withUnsafeMutableBufferPointer { buffer in
      unsafe cring_pages_nodes(region.base, buffer.count, buffer.baseAddress)
    }
    guard error == 0 else { throw .system(operation: "asking where the pages are", errno: error) }
    if let failed = nodes.first(where: { $0 < 0 }) {
      throw .system(operation: "asking where a page is", errno: -failed)
    }
    return nodes.reduce(into: [:]) { $0[Int($1), default: 0] += 1 }
  }
}
