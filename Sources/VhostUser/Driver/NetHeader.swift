public import RingKit

/// The header in front of each frame (virtio 1.2, 5.1.6) of a device without offloads.
public enum NetHeader {
  /// Its size with VERSION_1, which brings `num_buffers` with it.
  public static let byteCount = 12

  /// Writes one that asks for nothing, as a driver sends it.
  public static func clear(_ host: HostAddress) {
    let cells = SharedMemory(host, byteCount: byteCount)
    for offset in [0, 4, 8] { cells.store32(0, offset) }
  }

  /// In how many buffers a received frame lies: 1 without MRG_RXBUF.
  public static func bufferCount(_ host: HostAddress) -> UInt16 {
    SharedMemory(host, byteCount: byteCount).load16(10)
  }
}
