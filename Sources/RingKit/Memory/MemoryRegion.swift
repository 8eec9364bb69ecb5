internal import CRing
internal import Glibc

/// A contiguous range of guest memory, mapped in this process.
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
  /// The node it was bound to, or `nil` when the kernel chose.
  public let node: Int?
  /// What pages it really got.
  package let pageSize: PageSize
  /// Whether a device in another process can map it: it is a memfd.
  ///
  /// Else it is anonymous memory of this process, what a
  /// secure VM keeps from its host, and no device reaches it.
  public let isShared: Bool
  /// Where in its file a shared region begins.
  public let fileOffset: UInt64

  /// Bytes of one of its pages, as the kernel granted them: 4,096 or 2 MiB.
  public var pageByteCount: Int { pageSize.byteCount }

  private var region: cring_region

  /// Maps new memory.
  ///
  /// - Parameters:
  ///   - guestBase: the guest-physical address of its first byte.
  ///   - byteCount: bytes wanted; rounded up to whole pages.
  ///   - isShared: shared regions are memfds, private ones are anonymous.
  ///   - node: the NUMA node to bind to before the first touch.
  ///   - usesLargePages: 2 MiB pages where the machine has them: reserved ones, else transparent ones, else 4 KiB;
  ///     ``pageByteCount`` says what was granted.
  /// - Throws: ``MemoryError`` when the size, the node or the kernel does not allow it.
  public init(
    at guestBase: GuestPhysicalAddress, byteCount: Int, isShared: Bool = true, node: Int? = nil,
    usesLargePages: Bool = false
  ) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    if let node, !cring_node_exists(Int32(clamping: node)) { throw .noSuchNode(node) }
    var region = unsafe cring_region()
    let want = usesLargePages ? CRING_WANT_2M : CRING_WANT_4K
    let error = unsafe cring_region_map(
      byteCount, want, isShared ? 1 : 0, Int32(node ?? -1), "ringkit", &region)
    guard error == 0 else { throw .system(operation: "mapping \(byteCount) bytes", errno: error) }
    guard guestBase.advanced(by: unsafe UInt64(region.bytes) - 1) != nil else {
      unsafe cring_region_unmap(&region)
      throw .addressOverflow(guestBase, byteCount: byteCount)
    }
    self.guestBase = guestBase
    self.byteCount = unsafe region.bytes
    self.node = node
    self.isShared = isShared
    self.fileOffset = 0
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
  /// - Throws: ``MemoryError/notSealed(byteCount:)``, ``MemoryError/system(operation:errno:)`` with EINVAL (too short).
  public convenience init(
    attaching fileDescriptor: Int32, byteCount: Int, at guestBase: GuestPhysicalAddress
  ) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    guard guestBase.advanced(by: UInt64(byteCount) - 1) != nil else {
      throw .addressOverflow(guestBase, byteCount: byteCount)
    }
    var region = unsafe cring_region()
    let error = unsafe cring_region_attach(fileDescriptor, byteCount, 1, &region)
    guard error != EPERM else { throw .notSealed(byteCount: byteCount) }
    guard error == 0 else { throw .system(operation: "attaching \(byteCount) bytes of shared memory", errno: error) }
    unsafe self.init(mapped: region, at: guestBase)
  }

  /// Takes over what was mapped for it.
  init(mapped region: cring_region, at guestBase: GuestPhysicalAddress, fileOffset: UInt64 = 0) {
    self.guestBase = guestBase
    self.byteCount = unsafe region.bytes
    self.node = nil
    self.pageSize = .small
    self.isShared = true
    self.fileOffset = fileOffset
    unsafe self.region = region
  }

  deinit { unsafe cring_region_unmap(&region) }

  /// Where the region starts in this process.
  public var hostBase: HostAddress { unsafe HostAddress(region.base) }

  /// The memfd behind a shared region, for passing to another process.
  ///
  /// `nil` for a private one. The region owns it.
  public var fileDescriptor: Int32? { unsafe region.fd >= 0 ? region.fd : nil }

  /// Whether another process took pages of it away: it truncated the file, or punched a hole into huge pages of which
  /// the machine has no more.
  ///
  /// The region holds zeros from then on, which no other process sees; what was in it is lost. Nothing but this region
  /// is: code that works with it ends with an error that names it (``MemoryError/lost(_:byteCount:)``).
  public var isLost: Bool { unsafe cring_loss_happened(region.loss) }

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

extension MemoryRegion {
  /// Maps a part of a file that another process chose and passed over, wherever in the file it begins.
  ///
  /// - Parameters:
  ///   - fileDescriptor: taken over: closed with the region, or by the caller when this throws.
  ///   - fileOffset: where in the file the region begins.
  ///   - byteCount: bytes to map; the file must be at least that long from there on.
  ///   - guestBase: the guest-physical address of its first byte.
  ///   - mustBeSealed: whether the file must be sealed against shrinking, and huge pages be there. Of one that is not,
  ///     its owner can take pages away at any time (``isLost``).
  /// - Throws: ``MemoryError/notSealed(byteCount:)``, ``MemoryError/system(operation:errno:)`` with EINVAL (too short),
  ///   EACCES (it may not be written) or ENOMEM (huge pages that the machine does not have).
  public convenience init(
    mapping fileDescriptor: Int32, fileOffset: UInt64, byteCount: Int, at guestBase: GuestPhysicalAddress,
    mustBeSealed: Bool = false
  ) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    guard guestBase.advanced(by: UInt64(byteCount) - 1) != nil else {
      throw .addressOverflow(guestBase, byteCount: byteCount)
    }
    var region = unsafe cring_region()
    let error = unsafe cring_region_map_file(fileDescriptor, fileOffset, byteCount, mustBeSealed ? 1 : 0, &region)
    guard error != EPERM else { throw .notSealed(byteCount: byteCount) }
    guard error == 0 else { throw .system(operation: "mapping \(byteCount) bytes of a file", errno: error) }
    unsafe self.init(mapped: region, at: guestBase, fileOffset: fileOffset)
  }
}

extension MemoryRegion {
  /// Maps shared memory that takes a page of the machine's when that is first touched, however large it is.
  ///
  /// The thread that touches a page decides where it lies; pages that the machine no longer has are a SIGBUS.
  ///
  /// - Throws: ``MemoryError`` when the size or the kernel does not allow it.
  package convenience init(sparse byteCount: Int, at guestBase: GuestPhysicalAddress) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    guard guestBase.advanced(by: UInt64(byteCount) - 1) != nil else {
      throw .addressOverflow(guestBase, byteCount: byteCount)
    }
    var region = unsafe cring_region()
    let error = unsafe cring_region_map_sparse(byteCount, "ringkit-sparse", &region)
    guard error == 0 else { throw .system(operation: "mapping \(byteCount) sparse bytes", errno: error) }
    unsafe self.init(mapped: region, at: guestBase)
  }

  /// Maps zeroed memory that this process writes and every other one can only read, whatever it does with the
  /// descriptor.
  ///
  /// Not memory of a guest: it has no guest-physical address that means anything.
  ///
  /// - Parameter byteCount: bytes wanted; rounded up to whole pages.
  /// - Throws: ``MemoryError``; with EINVAL before Linux 5.1, which cannot seal a file against writers to come.
  package convenience init(publishing byteCount: Int) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    var region = unsafe cring_region()
    let error = unsafe cring_region_map_published(byteCount, "ringkit-published", &region)
    guard error == 0 else { throw .system(operation: "mapping \(byteCount) bytes for others to read", errno: error) }
    unsafe self.init(mapped: region, at: GuestPhysicalAddress(0))
  }

  /// Maps memory of another process to read it; a write ends this process with SIGSEGV.
  ///
  /// - Parameters:
  ///   - fileDescriptor: taken over: closed with the region, or by the caller when this throws.
  ///   - byteCount: bytes to map; the file must be at least that long and sealed against shrinking.
  /// - Throws: ``MemoryError/notSealed(byteCount:)``, ``MemoryError/system(operation:errno:)`` with EINVAL (too short).
  package convenience init(reading fileDescriptor: Int32, byteCount: Int) throws(MemoryError) {
    guard byteCount > 0, byteCount <= 1 << 46 else { throw .invalidSize(byteCount) }
    var region = unsafe cring_region()
    let error = unsafe cring_region_attach(fileDescriptor, byteCount, 0, &region)
    guard error != EPERM else { throw .notSealed(byteCount: byteCount) }
    guard error == 0 else { throw .system(operation: "reading \(byteCount) bytes of shared memory", errno: error) }
    unsafe self.init(mapped: region, at: GuestPhysicalAddress(0))
  }
}

/// What pages hold a region, as the kernel really granted them.
package enum PageSize: String, Sendable, CaseIterable {
  /// 4 KiB.
  case small = "4k"
  /// 2 MiB by transparent huge pages; may be partly granted (see ``MemoryRegion/hugeByteCount``).
  case transparent2M = "2m-transparent"
  /// 2 MiB from the pool reserved in hugetlbfs.
  case reserved2M = "2m-hugetlb"

  /// Bytes of one page.
  package var byteCount: Int { self == .small ? 4096 : 2 << 20 }
}

/// Why guest memory could not be allocated, bound to a node or translated.
public enum MemoryError: Error, Equatable, Sendable {
  /// A region was asked for with a size the machine cannot have (0, or beyond the address space), in bytes.
  case invalidSize(Int)
  /// The kernel refused `operation` with this errno.
  case system(operation: String, errno: Int32)
  /// The machine has no such NUMA node.
  case noSuchNode(Int)
  /// Two regions claim the same guest-physical address.
  case overlap(GuestPhysicalAddress)
  /// A region's end is beyond 2^64.
  case addressOverflow(GuestPhysicalAddress, byteCount: Int)
  /// The segment does not lie inside one region.
  case outOfBounds(MemorySegment)
  /// The region has no room left for this many bytes.
  case exhausted(requested: Int, available: Int)
  /// An alignment that is not a power of two, in bytes.
  case invalidAlignment(Int)
  /// So many bytes are in a file that its owner can shrink.
  case notSealed(byteCount: Int)
  /// Another process took pages of a region away (``MemoryRegion/isLost``).
  case lost(GuestPhysicalAddress, byteCount: Int)
}

extension MemoryError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .invalidSize(let bytes): "a region of \(bytes) bytes cannot be made"
    case .system(let operation, let errno): "\(operation) failed: \(SystemError.text(errno))"
    case .noSuchNode(let node): "this machine has no NUMA node \(node)"
    case .overlap(let address): "two regions claim \(address)"
    case .addressOverflow(let address, let count): "\(count) bytes at \(address) end beyond 2^64"
    case .outOfBounds(let segment): "\(segment.length) bytes at \(segment.address) are not inside one region"
    case .exhausted(let requested, let available): "\(requested) bytes asked for, \(available) left in the region"
    case .invalidAlignment(let alignment): "an alignment of \(alignment) is not a power of two"
    case .notSealed(let count):
      "\(count) bytes are in a file that its owner can shrink; a memfd that is sealed against that is taken "
        + "(F_SEAL_SHRINK)"
    case .lost(let address, let count):
      "pages of the \(count) bytes at \(address) were taken away by another process that has their file"
    }
  }
}

/// The C library's words for an error number.
package enum SystemError {
  package static func text(_ errno: Int32) -> String {
    // SAFETY: strerror returns a terminated string; those of known numbers stay valid for ever.
    unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
  }
}
