/// What pages hold a region, as the kernel really granted them.
public enum PageSize: String, Sendable, CaseIterable {
  /// 4 KiB.
  case small = "4k"
  /// 2 MiB by transparent huge pages; may be partly granted (see ``MemoryRegion/hugeByteCount``).
  case transparent2M = "2m-transparent"
  /// 2 MiB from the pool reserved in hugetlbfs.
  case reserved2M = "2m-hugetlb"

  /// Bytes of one page.
  public var byteCount: Int { self == .small ? 4096 : 2 << 20 }
}
