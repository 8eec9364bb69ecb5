/// Which side of a device's address space a connection speaks for.
public enum ViommuRole: UInt8, Sendable {
  /// Maps and unmaps.
  case driver
  /// Asks where an address leads; may not change that.
  case device
}
