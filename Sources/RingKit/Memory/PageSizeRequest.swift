/// What pages a caller would like a region to lie on.
public enum PageSizeRequest: String, Sendable, CaseIterable {
  /// 4 KiB pages.
  case small = "4k"
  /// 2 MiB pages where the machine has them: reserved ones, else transparent ones, else 4 KiB.
  case huge = "2m"
}
