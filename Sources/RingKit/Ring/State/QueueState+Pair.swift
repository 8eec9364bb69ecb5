extension QueueState {
  /// Holds a driver's state against the state of the device's end of the same queue, saved at the same moment.
  ///
  /// Both ends at rest: what one of them published the other need not have seen.
  ///
  /// - Throws: ``QueueStateError/mismatch(_:found:expected:)`` with the first field of the device's that belongs to
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
