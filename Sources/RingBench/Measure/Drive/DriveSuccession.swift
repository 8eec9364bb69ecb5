/// How a back-end that is gone is replaced.
struct DriveSuccession: Sendable {
  let address: DriveAddress
  /// Whether the back-end notes what is in flight in memory that its successor is handed.
  ///
  /// Without notes the driver adds again what it has outstanding.
  let hasNotes: Bool
  /// What a successor's configuration space has to say: the same disk; empty where it is not read.
  let config: [UInt8]
}
