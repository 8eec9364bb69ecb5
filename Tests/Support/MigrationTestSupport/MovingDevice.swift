package import RingKit
package import RingKitTesting

/// The device's side of a queue that moves, of any layout and path; owned by one thread at a time.
package class MovingDevice: @unchecked Sendable {
  /// What the device itself knows; moves with the queue.
  package struct Load: Codable, Sendable {
    /// The number of the buffer fetched next: a driver's buffers come in the order they were added.
    package var next: UInt64 = 0
    /// The numbers of the chains held, oldest first.
    package var held: [UInt64] = []
  }

  /// What the device knows.
  package var load: Load
  let plan: MovingPlan
  /// The chains held, in the order of fetching.
  package var chains: [HeldChain] = []

  init(_ plan: MovingPlan, _ load: Load?) {
    self.plan = plan
    self.load = load ?? Load()
  }

  func next() throws -> HeldChain? { fatalError() }
  func complete(_ chain: DeviceChain, _ written: UInt32) { fatalError() }
  func publish() { fatalError() }
  func notify(_ choice: Int) { fatalError() }
  /// Serves the device's IOMMU.
  package func service() { fatalError() }
  func save(holding chains: [HeldChain]) throws -> QueueState { fatalError() }

  /// The queue's state.
  package func save() throws -> QueueState { try save(holding: chains) }

  /// Fetches one chain, checks the request and writes the reply at once, be it completed elsewhere.
  func fetch() throws -> Bool {
    guard let chain = try next() else { return false }
    let shape = plan.shape(of: load.next)
    var (consumed, produced) = (0, 0)
    for segment in chain.segments {
      let bytes = unsafe segment.bytes
      for at in 0..<segment.byteCount {
        if segment.access == .deviceReadable {
          guard unsafe bytes[at] == movingByte(load.next, consumed, reply: false) else {
            throw MovingError("chain \(load.next): wrong byte at \(consumed) of the request")
          }
          consumed += 1
        } else {
          if produced < shape.written { unsafe bytes[at] = movingByte(load.next, produced, reply: true) }
          produced += 1
        }
      }
    }
    guard consumed == shape.readable * MovingPlan.segmentBytes, produced == shape.writable * MovingPlan.segmentBytes
    else {
      throw MovingError("chain \(load.next): \(consumed) and \(produced) bytes")
    }
    chains.append(chain)
    load.held.append(load.next)
    load.next += 1
    return true
  }

  func complete(at index: Int) {
    let chain = chains.remove(at: index)
    let number = load.held.remove(at: index)
    complete(chain.chain, UInt32(plan.shape(of: number).written))
  }

  private func pick(_ random: inout SeededGenerator) -> Int {
    VirtioFeatures(rawValue: plan.features).contains(.inOrder) ? 0 : Int.random(in: 0..<chains.count, using: &random)
  }

  /// One thing that a device does, at random.
  package func step(_ random: inout SeededGenerator) throws {
    service()
    switch Int.random(in: 0..<8, using: &random) {
    case 0...2: for _ in 0..<Int.random(in: 1...plan.size, using: &random) where try !fetch() { break }
    case 3...5:
      for _ in 0..<Int.random(in: 1...plan.size, using: &random) where !chains.isEmpty { complete(at: pick(&random)) }
      if Bool.random(using: &random) { publish() }
    case 6: publish()
    default: notify(Int.random(in: 0..<3, using: &random))
    }
  }

  /// Fetches up to `count` chains, and returns how many there were.
  package func hold(_ count: Int) throws -> Int {
    for done in 0..<count where try !fetch() { return done }
    return count
  }

  /// Completes all there is.
  package func drain() throws {
    while try fetch() {}
    while !chains.isEmpty { complete(at: 0) }
    publish()
    service()
  }
}

final class MovingDeviceOf<Queue: ResumableDeviceQueue & ~Copyable>: MovingDevice, @unchecked Sendable {
  private var queue: Queue

  init(_ plan: MovingPlan, _ load: Load?, _ queue: consuming Queue) {
    self.queue = queue
    super.init(plan, load)
  }

  override func next() throws -> HeldChain? {
    guard let chain = try queue.next() else { return nil }
    return (chain, Self.copy(queue))
  }

  // A function of its own: the span may not outlive the borrow.
  private static func copy(_ queue: borrowing Queue) -> [TranslatedSegment] {
    let span = queue.segments
    return span.indices.map { span[$0] }
  }

  override func complete(_ chain: DeviceChain, _ written: UInt32) { queue.complete(chain, written: written) }
  override func publish() { queue.publish() }
  override func service() { queue.service() }

  override func notify(_ choice: Int) {
    switch choice {
    case 0: _ = queue.enableNotifications()
    case 1: queue.disableNotifications()
    default: _ = queue.isNotificationDue()
    }
  }

  override func save(holding chains: [HeldChain]) throws -> QueueState {
    try queue.saveState(isSecure: false, holding: chains)
  }
}
