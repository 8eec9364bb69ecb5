internal import RingKit

/// Where the servers of an invalidation queue are, as far as a request has to know.
///
/// ``ThreadPlaces`` in this process, ``ProcessPlaces`` in others. Not for servers: each knows its own place.
protocol InvalidationPlaces {
  /// Where servers read the tail and, beside it, the latest requests.
  var requests: UnsafeMutableRawPointer { get }
  /// Where they read descriptors.
  var slots: UnsafeMutableRawPointer { get }

  /// Has them see what was posted up to a position, beyond what the queue's own tail says.
  func publish(_ end: UInt64)
  /// How far a server says it has come: it reads no slot before that any more.
  func progress(_ server: Int) -> UInt64
  /// Whether a server need not be waited for until it has come to a position.
  func hasServed(_ server: Int, _ end: UInt64) throws(DMAError) -> Bool
  /// Serves in a server's place, on the thread that waits for it.
  func serveInPlace(_ server: Int) throws(DMAError)
}
