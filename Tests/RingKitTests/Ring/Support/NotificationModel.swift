/// Notification suppression by its definition, one written entry at a time.
enum NotificationModel {
  /// Split: whether one of the `count` indices behind `old` is `event` (virtio 1.2, 2.7.7 and 2.7.10).
  static func split(event: UInt16, old: UInt16, count: Int) -> Bool {
    var index = old
    for _ in 0..<count {
      if index == event { return true }
      index &+= 1
    }
    return false
  }

  /// Packed: whether one of the `count` descriptors from a position on is the one `event` names (virtio 1.2, 2.8.10).
  static func packed(event: UInt16, offset: Int, wrap: Bool, count: Int, size: Int) -> Bool {
    var (at, lap) = (offset, wrap)
    for _ in 0..<count {
      if Int(event & 0x7fff) == at && (event & 0x8000 != 0) == lap { return true }
      at += 1
      if at == size {
        at = 0
        lap.toggle()
      }
    }
    return false
  }
}
