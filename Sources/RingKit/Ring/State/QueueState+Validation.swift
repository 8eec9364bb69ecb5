extension QueueState {
  /// Holds every field against the others and the specification.
  ///
  /// A state that passes leads no queue outside its ring or its memory, even a forged one. The target's mapper
  /// or translator checks addresses and segments.
  ///
  /// - Throws: ``QueueStateError/invalid(field:reason:)`` with the first field that is wrong.
  public func validate() throws(QueueStateError) {
    guard (1...32_768).contains(size), layout == .packed || size & (size - 1) == 0 else {
      throw .invalid(.size, reason: "a \(layout) ring of \(size) descriptors is not possible")
    }
    guard features.contains(.packedRing) == (layout == .packed) else {
      throw .invalid(.layout, reason: "\(layout) with features \(features)")
    }
    guard features.contains(.version1), features.isSubset(of: .known) else {
      throw .invalid(.features, reason: "\(features)")
    }
    guard ring.count == 3 else { throw .invalid(.ring, reason: "\(ring.count) parts") }
    let hasPositions = layout == .packed
    guard (available != nil) == hasPositions else { throw .invalid(.available, reason: "not of a \(layout) ring") }
    guard (used != nil) == hasPositions else { throw .invalid(.used, reason: "not of a \(layout) ring") }
    try validateSuppression()
    switch role {
    case .driver: try validateDriver()
    case .device: try validateDevice()
    }
  }

  private func validateSuppression() throws(QueueStateError) {
    let hasEventIndex = features.contains(.eventIndex)
    let isRight =
      switch layout {
      // S12, S13; virtio 1.2, 2.7.10 for the device's.
      case .split: suppression <= (hasEventIndex ? 0 : 1)
      case .packed: EventSuppression(rawValue: suppression).isPossible(size: size, hasEventIndex: hasEventIndex)
      }
    guard isRight else { throw .invalid(.suppression, reason: "0x\(String(suppression, radix: 16))") }
  }

  private func validateDriver() throws(QueueStateError) {
    let hasTables = features.contains(.indirectDescriptors)
    guard (0...(hasTables ? size : 0)).contains(indirectCapacity) else {
      throw .invalid(.indirectCapacity, reason: "\(indirectCapacity) with a queue of \(size), features \(features)")
    }
    guard held.isEmpty else { throw .invalid(.held, reason: "a driver holds no chains") }
    var isTaken = [Bool](repeating: false, count: size)
    func take(_ slot: UInt16, _ field: Field) throws(QueueStateError) {
      guard Int(slot) < size, !isTaken[Int(slot)] else {
        throw .invalid(field, reason: "slot \(slot) is outside the queue of \(size) or there twice")
      }
      isTaken[Int(slot)] = true
    }
    for slot in free { try take(slot, .free) }
    var descriptors = 0
    for buffer in inFlight {
      try validate(buffer)
      for slot in buffer.slots { try take(slot, .inFlight) }
      descriptors += buffer.slots.count
    }
    guard free.count + descriptors == size else {
      throw .invalid(.free, reason: "\(free.count) free and \(descriptors) taken slots in a queue of \(size)")
    }
    guard Int(added &- returned) == inFlight.count else {
      throw .invalid(.added, reason: "\(added) added and \(returned) returned, \(inFlight.count) in flight")
    }
    try validatePositions(descriptors)
    try validateOrder()
  }

  private func validate(_ buffer: Buffer) throws(QueueStateError) {
    func wrong(_ reason: String) -> QueueStateError { .invalid(.inFlight, reason: "token \(buffer.token): \(reason)") }
    let count = buffer.segments.count
    if buffer.table != nil {
      guard buffer.slots.count == 1, (2...max(indirectCapacity, 2)).contains(count), count <= indirectCapacity else {
        throw wrong("a table of \(count) entries in \(buffer.slots.count) slots")
      }
    } else {
      guard count >= 1, count == buffer.slots.count else {
        throw wrong("\(count) segments in \(buffer.slots.count) slots")
      }
    }
    try validate(buffer.segments, .inFlight, wrong)
  }

  private func validate(
    _ segments: [Segment], _ field: Field, _ wrong: (String) -> QueueStateError
  ) throws(QueueStateError) {
    var total: UInt64 = 0
    var hasWritable = false
    for segment in segments {
      guard segment.length > 0 else { throw wrong("an empty segment") }
      // S2, P7.
      guard segment.isWritable || !hasWritable else { throw wrong("a readable segment behind a writable one") }
      hasWritable = segment.isWritable
      total += UInt64(segment.length)
    }
    guard total <= 1 << 32 else { throw wrong("\(total) bytes") }
  }

  /// Packed: what lies between the two positions is what is in flight.
  private func validatePositions(_ descriptors: Int) throws(QueueStateError) {
    guard let available, let used else { return }
    guard Int(available.offset) < size else { throw .invalid(.available, reason: "offset \(available.offset)") }
    guard Int(used.offset) < size else { throw .invalid(.used, reason: "offset \(used.offset)") }
    var expected = used.counter
    expected.advance(by: UInt16(descriptors), size: UInt16(size))
    guard expected == available.counter else {
      throw .invalid(.available, reason: "\(descriptors) descriptors in flight lie elsewhere")
    }
  }

  /// With IN_ORDER buffers are counted and ids follow each other; and only then there are batches.
  private func validateOrder() throws(QueueStateError) {
    guard features.contains(.inOrder) else {
      guard batchRemaining == 0 else { throw .invalid(.batchRemaining, reason: "without IN_ORDER") }
      guard batchLength == 0 else { throw .invalid(.batchLength, reason: "without IN_ORDER") }
      return
    }
    var next = (inFlight.first?.slots.first ?? free.first) ?? 0
    for (index, buffer) in inFlight.enumerated() {
      guard buffer.position == returned &+ UInt16(index) else {
        throw .invalid(.inFlight, reason: "token \(buffer.token): position \(buffer.position) breaks the order")
      }
      for slot in buffer.slots {
        guard slot == next else { throw .invalid(.inFlight, reason: "slot \(slot) breaks the order (S5)") }
        next = Int(next) + 1 == size ? 0 : next + 1
      }
    }
    for slot in free {
      guard slot == next else { throw .invalid(.free, reason: "slot \(slot) breaks the order (S5)") }
      next = Int(next) + 1 == size ? 0 : next + 1
    }
    guard Int(batchRemaining) <= inFlight.count else {
      throw .invalid(.batchRemaining, reason: "\(batchRemaining) of \(inFlight.count) in flight")
    }
    let capacity = batchRemaining == 0 ? 0 : inFlight[Int(batchRemaining) - 1].capacity
    guard UInt64(batchLength) <= capacity else {
      throw .invalid(.batchLength, reason: "\(batchLength) bytes in a buffer of \(capacity)")
    }
  }

  private func validateDevice() throws(QueueStateError) {
    guard inFlight.isEmpty else { throw .invalid(.inFlight, reason: "a device adds no buffers") }
    guard free.isEmpty else { throw .invalid(.free, reason: "a device has no slots") }
    guard indirectCapacity == 0 else { throw .invalid(.indirectCapacity, reason: "a device has no tables") }
    guard tables == 0 else { throw .invalid(.tables, reason: "a device has no tables") }
    guard batchRemaining == 0 else { throw .invalid(.batchRemaining, reason: "a device has no open batch") }
    guard batchLength == 0 else { throw .invalid(.batchLength, reason: "a device has no open batch") }
    var descriptors = 0
    for chain in held {
      func wrong(_ reason: String) -> QueueStateError { .invalid(.held, reason: "id \(chain.id): \(reason)") }
      guard layout == .packed || Int(chain.id) < size else { throw wrong("outside the queue of \(size)") }
      guard chain.descriptorCount >= 1, layout == .packed || chain.descriptorCount == 1 else {
        throw wrong("\(chain.descriptorCount) descriptors")
      }
      descriptors += Int(chain.descriptorCount)
      guard chain.segments.count <= max(2 * size, 64) else { throw wrong("\(chain.segments.count) segments") }
      try validate(chain.segments, .held, wrong)
    }
    guard descriptors <= size else { throw .invalid(.held, reason: "\(descriptors) descriptors in a queue of \(size)") }
    if layout == .packed {
      guard added == 0 else { throw .invalid(.added, reason: "a packed ring's device counts descriptors") }
      guard returned == 0 else { throw .invalid(.returned, reason: "a packed ring's device counts descriptors") }
      try validatePositions(descriptors)
    } else {
      guard Int(added &- returned) == held.count else {
        throw .invalid(.added, reason: "\(added) fetched and \(returned) used, \(held.count) held")
      }
    }
  }
}

extension QueueState.Buffer {
  /// Bytes the device may write, as the driver's in-flight table has them.
  var capacity: UInt64 { segments.reduce(0) { $0 + ($1.isWritable ? UInt64($1.length) : 0) } }
}

extension VirtioFeatures {
  /// What a queue of this library can have in use.
  static let known: VirtioFeatures = [
    .indirectDescriptors, .eventIndex, .version1, .accessPlatform, .packedRing, .inOrder, .orderPlatform,
    .notificationData, .ringReset,
  ]
}

extension QueueState {
  /// Holds the state against the queue that is to be made of it.
  func admit(
    _ role: Role, _ layout: Layout, size: Int, ring: [GuestPhysicalAddress], tables: GuestBuffer?
  ) throws(QueueStateError) {
    guard self.role == role else {
      throw .mismatch(.role, found: self.role.rawValue, expected: role.rawValue)
    }
    guard self.layout == layout else {
      throw .mismatch(.layout, found: self.layout.rawValue, expected: layout.rawValue)
    }
    try validate()
    guard self.size == size else { throw .mismatch(.size, found: "\(self.size)", expected: "\(size)") }
    guard self.ring == ring.map(\.rawValue) else {
      throw .mismatch(.ring, found: Self.text(self.ring), expected: Self.text(ring.map(\.rawValue)))
    }
    let expected = indirectCapacity > 0 ? tables?.address.rawValue ?? 0 : 0
    guard self.tables == expected else {
      throw .mismatch(.tables, found: Self.text([self.tables]), expected: Self.text([expected]))
    }
    // The queue has room for the tables of this many entries and no more: it is indexed by what the state says.
    let capacity: Int
    do throws(ConfigurationError) { capacity = try configuration.indirectCapacity(in: tables) } catch {
      throw Self.error(error)
    }
    guard indirectCapacity == capacity else {
      throw .mismatch(.indirectCapacity, found: "\(indirectCapacity)", expected: "\(capacity)")
    }
  }

  /// What is wrong with the field behind a configuration that a queue cannot have.
  static func error(_ error: ConfigurationError) -> QueueStateError {
    switch error {
    case .invalidSize: .invalid(.size, reason: "\(error)")
    case .features: .invalid(.features, reason: "\(error)")
    default: .invalid(.tables, reason: "\(error)")
    }
  }

  private static func text(_ addresses: [UInt64]) -> String {
    addresses.map { "0x" + String($0, radix: 16) }.joined(separator: ", ")
  }
}

extension SplitRing {
  /// Where the descriptors, the driver's and the device's part lie.
  var parts: [GuestPhysicalAddress] { [addresses.descriptors, addresses.available, addresses.used] }
}

extension EventSuppression {
  /// Whether a queue of this library writes such a word.
  func isPossible(size: Int, hasEventIndex: Bool) -> Bool {
    let flags = rawValue >> 16
    return flags < 2 && rawValue & 0xffff == 0 || flags == 2 && hasEventIndex && Int(rawValue & 0x7fff) < size
  }
}

extension PackedRing {
  /// Where the descriptors, the driver's and the device's part lie.
  var parts: [GuestPhysicalAddress] { [addresses.descriptors, addresses.driverEvent, addresses.deviceEvent] }
}

extension QueueState {
  /// Holds a driver's state against the state of the device's end of the same queue, saved at the same moment.
  ///
  /// Both ends at rest: what one of them published the other need not have seen.
  ///
  /// - Throws: ``QueueStateError/mismatch(field:found:expected:)`` with the first field of the device's that belongs to
  ///   another queue or moment; as ``validate()`` of either.
  public func check(against device: QueueState) throws(QueueStateError) {
    try validate()
    try device.validate()
    guard role == .driver else { throw .mismatch(.role, found: role.rawValue, expected: Role.driver.rawValue) }
    guard device.role == .device else {
      throw .mismatch(.role, found: device.role.rawValue, expected: Role.device.rawValue)
    }
    func compare(_ field: Field, _ found: String, _ expected: String) throws(QueueStateError) {
      if found != expected { throw .mismatch(field, found: found, expected: expected) }
    }
    try compare(.layout, device.layout.rawValue, layout.rawValue)
    try compare(.size, "\(device.size)", "\(size)")
    try compare(.features, "\(device.features)", "\(features)")
    try compare(.isSecure, "\(device.isSecure)", "\(isSecure)")
    try compare(.ring, "\(device.ring)", "\(ring)")
    let heads = Set(inFlight.compactMap(\.slots.first))
    for chain in device.held where !heads.contains(chain.id) {
      throw .mismatch(.held, found: "id \(chain.id)", expected: "one of \(inFlight.count) in flight")
    }
    if layout == .split {
      guard Int(device.added &- returned) <= inFlight.count else {
        throw .mismatch(.added, found: "\(device.added)", expected: "\(returned) to \(added)")
      }
      guard Int(device.returned &- returned) <= inFlight.count else {
        throw .mismatch(.returned, found: "\(device.returned)", expected: "\(returned) to \(added)")
      }
    }
  }

  /// Tokens of the buffers in flight that the device had fetched and not completed, oldest first.
  ///
  /// The others were not fetched, or completed and not taken back yet.
  public func tokensHeld(by device: QueueState) -> [UInt64] {
    let ids = Set(device.held.map(\.id))
    return inFlight.filter { buffer in buffer.slots.first.map(ids.contains) ?? false }.map(\.token)
  }
}
