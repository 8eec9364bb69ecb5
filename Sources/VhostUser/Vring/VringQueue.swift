public import RingKit

/// The device's end of a vring, of either layout, in the memory of a front-end.
///
/// Buffers are completed in the order they are fetched: a back-end that takes the place of one that died finds what was
/// in flight where the ring has it. What is in flight is noted in the inflight memory, where there is one.
public struct VringQueue: ~Copyable {
  private var split: SplitDeviceQueue<VhostTranslator>?
  private var packed: PackedDeviceQueue<VhostTranslator>?
  private var splitInflight: SplitInflight?
  private var packedInflight: PackedInflight?

  /// Whether the ring is packed.
  public let isPacked: Bool
  /// Descriptors in the ring.
  public let size: Int
  /// The segments of the chain that ``next()`` returned last.
  public private(set) var segments: [TranslatedSegment] = []
  /// Buffers completed since the queue was started.
  public private(set) var completedCount: UInt64 = 0
  private var fetchedCount: UInt64 = 0
  /// Descriptors, or entries of a split ring, that an earlier device fetched and never gave back.
  private let lost: UInt16

  init(_ queue: consuming SplitDeviceQueue<VhostTranslator>, lost: UInt16, inflight: SplitInflight?) {
    isPacked = false
    self.lost = lost
    size = queue.size
    split = consume queue
    splitInflight = inflight
  }

  init(_ queue: consuming PackedDeviceQueue<VhostTranslator>, lost: UInt16, inflight: PackedInflight?) {
    isPacked = true
    self.lost = lost
    size = queue.size
    packed = consume queue
    packedInflight = inflight
  }

  /// The next available buffer, `nil` when there is none.
  ///
  /// - Throws: ``QueueError``; one that is pending is tried again later.
  public mutating func next() throws(QueueError) -> DeviceChain? {
    let chain: DeviceChain?
    if isPacked { chain = try packed?.next() } else { chain = try split?.next() }
    guard let chain else { return nil }
    fetchedCount &+= 1
    segments.removeAll(keepingCapacity: true)
    if chain.segmentCount == 1 {
      segments.append(chain.first)
    } else {
      packed?.copySegments(to: &segments)
      split?.copySegments(to: &segments)
    }
    splitInflight?.fetched(chain.id)
    packedInflight?.fetched(descriptorCount: chain.descriptorCount)
    return chain
  }

  /// Notes that the device is done with the oldest chain in flight.
  ///
  /// - Parameters:
  ///   - chain: the chain as it was returned.
  ///   - written: bytes written from the first device-writable byte on.
  public mutating func complete(_ chain: DeviceChain, written: UInt32) {
    precondition(isPacked || Int(chain.id) < size, "a chain is completed that is none of this queue's")
    completedCount &+= 1
    splitInflight?.completed(chain.id)
    split?.complete(chain, written: written)
    guard isPacked else { return }
    packedInflight?.publishing(descriptorCount: chain.descriptorCount)
    packed?.complete(chain, written: written)
    if packedInflight != nil {
      packed?.publish()
      packedInflight?.published()
    }
  }

  /// Gives the buffer that was completed last a used entry of its own, where IN_ORDER lets a batch share one.
  ///
  /// For drivers that look for one entry a buffer, as DPDK's network driver does where a frame fills several.
  public mutating func endBatch() {
    packed?.endBatch()
    split?.endBatch()
  }

  /// Makes the completions noted so far visible to the driver.
  mutating func publish() {
    packed?.publish()
    split?.publish()
    if let position = split?.position { splitInflight?.published(position) }
  }

  /// Whether the device has buffers that it did not complete.
  var holdsBuffers: Bool { fetchedCount != completedCount }

  /// A vring's base: the first buffer that was not completed, and in a packed ring the used position above it.
  var base: UInt32 {
    mutating get {
      guard isPacked else { return UInt32(position &+ lost) }
      var next = WrapCounter(word: position)
      next.advance(by: lost, size: UInt16(size))
      return UInt32(next.word) | UInt32(position) << 16
    }
  }

  /// Behind everything published.
  var position: UInt16 {
    mutating get {
      if let position = packed?.position { return position }
      return split?.position ?? 0
    }
  }

  /// What the queue did.
  var counts: WorkCounts {
    mutating get {
      if let counts = packed?.translator.counts { return counts }
      return split?.translator.counts ?? WorkCounts()
    }
  }

  mutating func isNotificationDue() -> Bool {
    if let isDue = packed?.isNotificationDue() { return isDue }
    return split?.isNotificationDue() ?? false
  }

  mutating func enableNotifications() -> Bool {
    if let isMore = packed?.enableNotifications() { return isMore }
    return split?.enableNotifications() ?? false
  }

  mutating func disableNotifications() {
    packed?.disableNotifications()
    split?.disableNotifications()
  }

  /// Nothing is in flight and the ring is given back: its next device begins where the front-end says.
  mutating func retire() {
    splitInflight?.retire()
    packedInflight?.retire()
  }
}

extension DeviceQueue where Self: ~Copyable {
  func copySegments(to list: inout [TranslatedSegment]) {
    let found = segments
    for i in found.indices { list.append(found[i]) }
  }
}
