/// Why a ``ViommuServer`` stopped to serve a connection.
public enum ViommuServerEnd: Equatable, Sendable {
  /// The other side closed it.
  case closed
  /// A message that is no request: its length in bytes and its first word.
  case malformed(byteCount: Int, firstWord: UInt64)
  /// The kernel did not carry a message (an errno).
  case system(errno: Int32)
}
