import BenchHarness
import RingIOMMU
import RingKit

/// How a back-end that is gone is replaced.
package struct DriveSuccession: Sendable {
  package let address: DriveAddress
  /// Whether the back-end notes what is in flight in memory that its successor is handed.
  ///
  /// Without notes the driver adds again what it has outstanding.
  package let hasNotes: Bool
  /// What a successor's configuration space has to say: the same disk; empty where it is not read.
  package let config: [UInt8]

  package init(address: DriveAddress, hasNotes: Bool, config: [UInt8]) {
    self.address = address
    self.hasNotes = hasNotes
    self.config = config
  }
}
