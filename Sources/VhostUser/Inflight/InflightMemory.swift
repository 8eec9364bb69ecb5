internal import CRing
internal import RingKit

/// The shared memory in which what is in flight is noted, for all queues.
///
/// The front-end can write to it as well: it is read once, when a queue starts, and every value is checked.
final class InflightMemory {
  /// How it is described to the front-end.
  let description: InflightDescription
  private let region: MemoryRegion

  /// New memory, of which no queue has been used.
  init(queueCount: UInt16, queueSize: UInt16) throws(VhostUserError) {
    // Enough for either layout: which one it is may not be known yet.
    let byteCount = Int(queueCount) * InflightLayout.queueBytes(size: Int(queueSize), packed: true)
    do throws(MemoryError) { region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: byteCount) } catch {
      throw .memory(error)
    }
    description = InflightDescription(
      byteCount: UInt64(region.byteCount), queueCount: queueCount, queueSize: queueSize)
  }

  /// Memory that another back-end, which is gone, has noted things in.
  init(_ description: InflightDescription, file: PassedDescriptor) throws(VhostUserError) {
    guard let byteCount = Int(exactly: description.byteCount), byteCount > 0 else {
      throw .inflight("it has \(description.byteCount) bytes")
    }
    guard description.fileOffset % 8 == 0 else {
      throw .inflight("it begins at \(description.fileOffset), not a multiple of 8")
    }
    let copy = try file.duplicate()
    do throws(MemoryError) {
      region = try MemoryRegion(
        mapping: copy, fileOffset: description.fileOffset, byteCount: byteCount, at: GuestPhysicalAddress(0))
    } catch {
      cring_channel_close(copy)
      throw .memory(error)
    }
    self.description = description
  }

  /// The file behind it, for the front-end to keep.
  var file: PassedDescriptor? { region.fileDescriptor.map { PassedDescriptor(borrowing: $0) } }

  /// The part of one queue.
  func queue(_ index: Int, size: Int, packed: Bool) throws(VhostUserError) -> SharedMemory {
    guard index < Int(description.queueCount), size <= Int(description.queueSize) else {
      throw .inflight(
        "it covers \(description.queueCount) queues of \(description.queueSize), not queue \(index) of \(size)")
    }
    let bytes = InflightLayout.queueBytes(size: Int(description.queueSize), packed: packed)
    guard (index + 1) * bytes <= region.byteCount else {
      throw .inflight("\(region.byteCount) bytes do not hold queue \(index)")
    }
    return SharedMemory(region.hostBase.advanced(by: index * bytes), byteCount: bytes)
  }
}
