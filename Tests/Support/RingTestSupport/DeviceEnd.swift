package import RingKit

/// A device queue of any layout and path behind one type, so that a test is a plain function.
///
/// Owned by one thread at a time.
package class DeviceEnd: @unchecked Sendable {
  package var size: Int { fatalError() }
  package var inFlightCount: Int { fatalError() }
  package var isBroken: Bool { fatalError() }
  package var counts: WorkCounts { fatalError() }
  package var segments: [TranslatedSegment] { fatalError() }

  package func next() throws(QueueError) -> DeviceChain? { fatalError() }
  package func complete(_ chain: DeviceChain, written: UInt32) { fatalError() }
  package func serve(
    atMost limit: Int, _ body: (DeviceChain, [TranslatedSegment]) throws -> UInt32
  ) throws(ServeError<any Error>) -> Int { fatalError() }
  package func publish() { fatalError() }
  package func isNotificationDue() -> Bool { fatalError() }
  package func enableNotifications() -> Bool { fatalError() }
  package func disableNotifications() { fatalError() }
  package func service() { fatalError() }
  package func reset() { fatalError() }
  package func save(holding chains: [HeldChain]) throws(QueueStateError) -> QueueState { fatalError() }
}

extension DeviceEnd {
  /// The next chain; there must be one.
  package func fetch() throws -> DeviceChain {
    guard let chain = try next() else { throw Missing.chain }
    return chain
  }

  /// Everything that is available now.
  package func fetchAll() throws -> [DeviceChain] {
    var chains: [DeviceChain] = []
    while let chain = try next() { chains.append(chain) }
    return chains
  }

  /// Completes a chain in full.
  package func complete(_ chain: DeviceChain) { complete(chain, written: UInt32(clamping: chain.writableByteCount)) }

  /// The error of a fetch that must fail.
  package func failure() -> QueueError? {
    do throws(QueueError) {
      _ = try next()
      return nil
    } catch { return error }
  }

  package enum Missing: Error {
    case chain
  }
}

// A failed expectation looks into every value it names, and the runtime traps on looking into a noncopyable one.
extension DeviceEnd: CustomReflectable {
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A queue as a ``DeviceEnd``.
package final class DeviceBox<Queue: ResumableDeviceQueue & ~Copyable>: DeviceEnd, @unchecked Sendable {
  private var queue: Queue

  package init(_ queue: consuming Queue) { self.queue = queue }

  package override var size: Int { queue.size }
  package override var inFlightCount: Int { queue.inFlightCount }
  package override var isBroken: Bool { queue.isBroken }
  package override var counts: WorkCounts { queue.work.counts }
  package override var segments: [TranslatedSegment] { Self.copy(queue) }

  // A function of its own: the span may not outlive the borrow.
  private static func copy(_ queue: borrowing Queue) -> [TranslatedSegment] {
    let span = queue.segments
    var all: [TranslatedSegment] = []
    for i in span.indices { all.append(span[i]) }
    return all
  }

  package override func next() throws(QueueError) -> DeviceChain? { try queue.next() }
  package override func complete(_ chain: DeviceChain, written: UInt32) { queue.complete(chain, written: written) }
  package override func serve(
    atMost limit: Int, _ body: (DeviceChain, [TranslatedSegment]) throws -> UInt32
  ) throws(ServeError<any Error>) -> Int {
    try queue.serve(atMost: limit) { chain, span throws(any Error) in
      var all: [TranslatedSegment] = []
      for i in span.indices { all.append(span[i]) }
      return try body(chain, all)
    }
  }
  package override func publish() { queue.publish() }
  package override func isNotificationDue() -> Bool { queue.isNotificationDue() }
  package override func enableNotifications() -> Bool { queue.enableNotifications() }
  package override func disableNotifications() { queue.disableNotifications() }
  package override func service() { queue.service() }
  package override func reset() { queue.reset() }
  package override func save(holding chains: [HeldChain]) throws(QueueStateError) -> QueueState {
    try queue.saveState(isSecure: false, holding: chains)
  }
}
