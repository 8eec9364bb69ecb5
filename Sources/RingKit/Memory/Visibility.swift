/// Who may see a region of guest memory.
public enum Visibility: String, Sendable {
  /// Backed by a memfd, so that a device in another process can map it.
  case shared
  /// Anonymous memory of this process: what a secure VM keeps from its host. A device cannot reach it.
  case `private`
}
