/// What became of a buffer that was offered to a queue.
@frozen
public enum AddResult: Equatable, Sendable {
  /// It is in the ring and becomes visible with the next `publish()`.
  case added
  /// The ring has no room for it now; nothing was mapped.
  case full
}
