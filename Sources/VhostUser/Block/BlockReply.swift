/// The last byte of a request, which the device writes (virtio 1.2, 5.2.6).
enum BlockReply: UInt8 {
  case done = 0
  case failed = 1
  case unsupported = 2
}
