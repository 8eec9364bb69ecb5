public import RingKit

/// What a driver wants of a device in another process.
public enum DeviceRequest: Sendable {
  /// Here is the memory; it comes first and once.
  case memory(GuestMemory)
  /// Here is a queue in it.
  case queue(DeviceQueueDescription)
  /// Begin; it comes once. Eight words for the program.
  case start([UInt64])
}
