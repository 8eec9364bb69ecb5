package import CPeer
package import RingKit

/// A packed ring as linux/virtio_ring.h lays it out: an observer, or a peer that keeps no rule.
///
/// Shares no code with RingKit.
@safe
package struct PackedView: @unchecked Sendable {
  package let size: Int
  private let descriptors: UnsafeMutablePointer<vring_packed_desc>
  private let driver: UnsafeMutablePointer<vring_packed_desc_event>
  private let device: UnsafeMutablePointer<vring_packed_desc_event>

  package init(descriptors: GuestBuffer, driverEvent: GuestBuffer, deviceEvent: GuestBuffer, size: Int) {
    self.size = size
    unsafe self.descriptors = unsafe descriptors.host.pointer.assumingMemoryBound(to: vring_packed_desc.self)
    unsafe driver = unsafe driverEvent.host.pointer.assumingMemoryBound(to: vring_packed_desc_event.self)
    unsafe device = unsafe deviceEvent.host.pointer.assumingMemoryBound(to: vring_packed_desc_event.self)
  }

  package subscript(descriptor slot: Int) -> vring_packed_desc {
    get { unsafe descriptors[slot] }
    nonmutating set { unsafe descriptors[slot] = newValue }
  }
  package var driverEvent: vring_packed_desc_event {
    get { unsafe driver.pointee }
    nonmutating set { unsafe driver.pointee = newValue }
  }
  package var deviceEvent: vring_packed_desc_event {
    get { unsafe device.pointee }
    nonmutating set { unsafe device.pointee = newValue }
  }

  /// The flags an available descriptor has on the first lap.
  package static let available = UInt32(CPEER_FLAG_AVAIL.rawValue)
  /// The flags a used descriptor has on the first lap.
  package static let used = UInt32(CPEER_FLAG_AVAIL.rawValue | CPEER_FLAG_USED.rawValue)

  /// Writes a descriptor as a driver would, or would not; available on the first lap unless `flags` says more.
  package func describe(_ slot: Int, _ address: UInt64, _ length: UInt32, id: UInt16 = 0, flags: UInt32 = 0) {
    self[descriptor: slot] = vring_packed_desc(
      addr: address, len: length, id: id, flags: UInt16(flags | Self.available))
  }

  /// Marks a descriptor as used on the first lap, as a device would.
  package func use(_ slot: Int, id: UInt16, length: UInt32, flags: UInt32 = 0) {
    let writes = length > 0 ? UInt32(CPEER_FLAG_WRITE.rawValue) : 0
    self[descriptor: slot].len = length
    self[descriptor: slot].id = id
    self[descriptor: slot].flags = UInt16(Self.used | writes | flags)
  }
}
