public import RingKit

/// What carries a driver's first words with a device: its feature bits and its status, as PCI, MMIO or a socket has them.
///
/// A transport says what stands in the device's registers and judges nothing: that is ``DeviceSession``'s. Owned by the
/// session's thread.
public protocol DeviceTransport: ~Copyable {
  /// Reads the 64 feature bits that the device offers now.
  mutating func offeredFeatures() throws(TransportError) -> VirtioFeatures

  /// Writes the feature bits that the driver accepts.
  mutating func writeAcceptedFeatures(_ features: VirtioFeatures) throws(TransportError)

  /// Reads the device status field.
  mutating func status() throws(TransportError) -> DeviceStatus

  /// Writes the device status field; 0 resets the device.
  mutating func writeStatus(_ status: DeviceStatus) throws(TransportError)
}
