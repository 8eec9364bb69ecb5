import BenchHarness
import BenchPaths

/// What one boot of the guest showed: one setting on one ring, negotiated as asked for and every word read back right.
package struct GuestRow: Sendable {
  package let setting: GuestSetting
  package let ring: RingLayout
  package let console: GuestConsole
  package let device: DeviceCounts

  package init(setting: GuestSetting, ring: RingLayout, console: GuestConsole, device: DeviceCounts) {
    self.setting = setting
    self.ring = ring
    self.console = console
    self.device = device
  }

  /// Bounce slots in use at most, as far as was seen.
  package var peakSlots: Int { console.passes.map(\.peakSlots).max() ?? 0 }
  package var requests: Int { console.passes.map(\.requests).reduce(0, +) }

  package func pass(_ operation: String) -> LoadPass? { console.passes.first { $0.operation == operation } }
}
