/// What one boot of the guest showed: one setting on one ring, negotiated as asked for and every word read back right.
struct GuestRow: Sendable {
  let setting: GuestSetting
  let ring: RingLayout
  let console: GuestConsole
  let device: DeviceCounts

  /// Bounce slots in use at most, as far as was seen.
  var peakSlots: Int { console.passes.map(\.peakSlots).max() ?? 0 }
  var requests: Int { console.passes.map(\.requests).reduce(0, +) }

  func pass(_ operation: String) -> LoadPass? { console.passes.first { $0.operation == operation } }
}
