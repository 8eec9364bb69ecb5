import RingKit

/// A device queue of any layout and path behind one type, so that a test is a plain function.
///
/// Owned by one thread at a time.
class DeviceEnd: @unchecked Sendable {
  var size: Int { fatalError() }
  var inFlightCount: Int { fatalError() }
  var isBroken: Bool { fatalError() }
  var counts: WorkCounts { fatalError() }
  var segments: [TranslatedSegment] { fatalError() }

  func next() throws(QueueError) -> DeviceChain? { fatalError() }
  func complete(_ chain: DeviceChain, written: UInt32) { fatalError() }
  func serve(
    atMost limit: Int, _ body: (DeviceChain, [TranslatedSegment]) throws -> UInt32
  ) throws(ServeError<any Error>) -> Int { fatalError() }
  func publish() { fatalError() }
  func isNotificationDue() -> Bool { fatalError() }
  func enableNotifications() -> Bool { fatalError() }
  func disableNotifications() { fatalError() }
  func service() { fatalError() }
  func reset() { fatalError() }
  func save(holding chains: [HeldChain]) throws(QueueStateError) -> QueueState { fatalError() }
}

extension DeviceEnd {
  /// The next chain; there must be one.
  func fetch() throws -> DeviceChain {
    guard let chain = try next() else { throw Missing.chain }
    return chain
  }

  /// Everything that is available now.
  func fetchAll() throws -> [DeviceChain] {
    var chains: [DeviceChain] = []
    while let chain = try next() { chains.append(chain) }
    return chains
  }

  /// Completes a chain in full.
  func complete(_ chain: DeviceChain) { complete(chain, written: UInt32(clamping: chain.writableByteCount)) }

  /// The error of a fetch that must fail.
  func failure() -> QueueError? {
    do throws(QueueError) {
      _ = try next()
      return nil
    } catch { return error }
  }

  enum Missing: Error {
    case chain
  }
}

// A failed expectation looks into every value it names, and the runtime traps on looking into a noncopyable one.
extension DeviceEnd: CustomReflectable {
  var customMirror: Mirror { Mirror(self, children: [:]) }
}
