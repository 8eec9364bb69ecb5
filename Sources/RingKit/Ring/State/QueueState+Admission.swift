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
    let place = indirectCapacity > 0 ? tables?.address.rawValue ?? 0 : 0
    guard self.tables == place else {
      throw .mismatch(.tables, found: Self.text([self.tables]), expected: Self.text([place]))
    }
  }

  /// What is wrong with the field behind a configuration that a queue cannot have.
  static func error(_ error: QueueConfigurationError) -> QueueStateError {
    switch error {
    case .invalidSize: .invalid(.size, reason: "\(error)")
    case .memoryTooSmall, .misaligned: .invalid(.tables, reason: "\(error)")
    case .features: .invalid(.features, reason: "\(error)")
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

extension PackedRing {
  /// Where the descriptors, the driver's and the device's part lie.
  var parts: [GuestPhysicalAddress] { [addresses.descriptors, addresses.driverEvent, addresses.deviceEvent] }
}
