internal import RingKit

/// One range of addresses that leads to memory in one piece.
struct DeviceIOTLBRange: Sendable {
  /// Its first and its last address.
  let first: UInt64
  let last: UInt64
  /// Where the first is here.
  let host: HostAddress
  /// Bit 0: the device may read.
  ///
  /// Bit 1: it may write.
  let permissions: UInt64
}
