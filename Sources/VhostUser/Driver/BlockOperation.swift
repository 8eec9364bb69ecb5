/// What a virtio-blk request asks for (virtio 1.2, 5.2.6).
public enum BlockOperation: UInt32, Sendable, CaseIterable {
  /// VIRTIO_BLK_T_IN: the device writes what stands on the disk.
  case read = 0
  /// VIRTIO_BLK_T_OUT.
  case write = 1
  /// VIRTIO_BLK_T_FLUSH: what was written is to be durable.
  case flush = 4
  /// VIRTIO_BLK_T_GET_ID: the device writes its name, 20 bytes.
  case identify = 8

  /// Bytes of a device's name.
  public static let nameByteCount = 20
}
