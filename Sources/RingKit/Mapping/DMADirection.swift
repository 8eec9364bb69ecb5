/// Which way a segment's bytes go, seen from the device.
@frozen
public enum DMADirection: UInt8, Sendable, CaseIterable {
  /// The device reads what the driver wrote (DMA_TO_DEVICE).
  case deviceReadable
  /// The device writes what the driver will read (DMA_FROM_DEVICE).
  case deviceWritable
}
