/// How a virtio-blk request ended (virtio 1.2, 5.2.6).
public enum BlockStatus: Equatable, Sendable {
  /// VIRTIO_BLK_S_OK.
  case done
  /// VIRTIO_BLK_S_IOERR.
  case failed
  /// VIRTIO_BLK_S_UNSUPP.
  case unsupported
  /// The device wrote none, or one that does not exist: the byte that stands there, 0xff where it wrote none.
  case missing(UInt8)

  init(_ byte: UInt8) {
    switch byte {
    case 0: self = .done
    case 1: self = .failed
    case 2: self = .unsupported
    default: self = .missing(byte)
    }
  }
}
