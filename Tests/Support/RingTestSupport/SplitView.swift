package import CPeer
package import RingKit

/// A split ring as linux/virtio_ring.h lays it out: an observer, or a peer that keeps no rule.
///
/// Shares no code with RingKit.
@safe
package struct SplitView: @unchecked Sendable {
  package let size: Int
  private let descriptors: UnsafeMutablePointer<vring_desc>
  private let available: UnsafeMutableRawPointer
  private let used: UnsafeMutableRawPointer

  package init(descriptors: GuestBuffer, available: GuestBuffer, used: GuestBuffer, size: Int) {
    self.size = size
    unsafe self.descriptors = unsafe descriptors.host.pointer.assumingMemoryBound(to: vring_desc.self)
    unsafe self.available = unsafe available.host.pointer
    unsafe self.used = unsafe used.host.pointer
  }

  package subscript(descriptor slot: Int) -> vring_desc {
    get { unsafe descriptors[slot] }
    nonmutating set { unsafe descriptors[slot] = newValue }
  }

  package var availableFlags: UInt16 {
    get { unsafe available.load(fromByteOffset: Int(CPEER_AVAIL_FLAGS.rawValue), as: UInt16.self) }
    nonmutating set {
      unsafe available.storeBytes(of: newValue, toByteOffset: Int(CPEER_AVAIL_FLAGS.rawValue), as: UInt16.self)
    }
  }
  package var availableIndex: UInt16 {
    get { unsafe available.load(fromByteOffset: Int(CPEER_AVAIL_IDX.rawValue), as: UInt16.self) }
    nonmutating set {
      unsafe available.storeBytes(of: newValue, toByteOffset: Int(CPEER_AVAIL_IDX.rawValue), as: UInt16.self)
    }
  }
  package subscript(available slot: Int) -> UInt16 {
    get { unsafe available.load(fromByteOffset: Int(CPEER_AVAIL_RING.rawValue) + 2 * slot, as: UInt16.self) }
    nonmutating set {
      let offset = Int(CPEER_AVAIL_RING.rawValue) + 2 * slot
      unsafe available.storeBytes(of: newValue, toByteOffset: offset, as: UInt16.self)
    }
  }
  package var usedEvent: UInt16 {
    get { unsafe available.load(fromByteOffset: cpeer_used_event_offset(UInt32(size)), as: UInt16.self) }
    nonmutating set {
      unsafe available.storeBytes(of: newValue, toByteOffset: cpeer_used_event_offset(UInt32(size)), as: UInt16.self)
    }
  }

  package var usedFlags: UInt16 {
    get { unsafe used.load(fromByteOffset: Int(CPEER_USED_FLAGS.rawValue), as: UInt16.self) }
    nonmutating set {
      unsafe used.storeBytes(of: newValue, toByteOffset: Int(CPEER_USED_FLAGS.rawValue), as: UInt16.self)
    }
  }
  package var usedIndex: UInt16 {
    get { unsafe used.load(fromByteOffset: Int(CPEER_USED_IDX.rawValue), as: UInt16.self) }
    nonmutating set {
      unsafe used.storeBytes(of: newValue, toByteOffset: Int(CPEER_USED_IDX.rawValue), as: UInt16.self)
    }
  }
  package subscript(used slot: Int) -> vring_used_elem {
    get {
      let offset = Int(CPEER_USED_RING.rawValue) + Int(CPEER_USED_ELEM_SIZE.rawValue) * slot
      return unsafe used.load(fromByteOffset: offset, as: vring_used_elem.self)
    }
    nonmutating set {
      let offset = Int(CPEER_USED_RING.rawValue) + Int(CPEER_USED_ELEM_SIZE.rawValue) * slot
      unsafe used.storeBytes(of: newValue, toByteOffset: offset, as: vring_used_elem.self)
    }
  }
  package var availableEvent: UInt16 {
    get { unsafe used.load(fromByteOffset: cpeer_avail_event_offset(UInt32(size)), as: UInt16.self) }
    nonmutating set {
      unsafe used.storeBytes(of: newValue, toByteOffset: cpeer_avail_event_offset(UInt32(size)), as: UInt16.self)
    }
  }

  /// Writes a descriptor as a driver would, or would not.
  package func describe(_ slot: Int, _ address: UInt64, _ length: UInt32, flags: UInt32 = 0, next: UInt16 = 0) {
    self[descriptor: slot] = vring_desc(addr: address, len: length, flags: UInt16(flags), next: next)
  }

  /// Makes a head available as a driver would.
  package func offer(_ head: UInt16) {
    self[available: Int(availableIndex) % size] = head
    availableIndex &+= 1
  }
}
