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
    // Sparse: a front-end that asks again and again makes no pages that way.
    do throws(MemoryError) { region = try MemoryRegion(sparse: byteCount, at: GuestPhysicalAddress(0)) } catch {
      throw .memory(error)
    }
    description = InflightDescription(
      byteCount: UInt64(region.byteCount), queueCount: queueCount, queueSize: queueSize)
  }

  /// Memory that another back-end, which is gone, has noted things in.
  init(
    _ description: InflightDescription, file: PassedDescriptor, mustBeSealed: Bool = false
  ) throws(VhostUserError) {
    guard let byteCount = Int(exactly: description.byteCount), byteCount > 0 else {
      throw .inflight("it has \(description.byteCount) bytes")
    }
    guard description.fileOffset % 8 == 0 else {
      throw .inflight("it begins at \(description.fileOffset), not a multiple of 8")
    }
    let copy = try file.duplicate()
    do throws(MemoryError) {
      region = try MemoryRegion(
        mapping: copy, fileOffset: description.fileOffset, byteCount: byteCount, at: GuestPhysicalAddress(0),
        mustBeSealed: mustBeSealed)
    } catch {
      cring_channel_close(copy)
      throw .memory(error)
    }
    self.description = description
  }

  /// Set once the front-end took pages of it away.
  var loss: MemoryError? { region.isLost ? .lost(region.guestBase, byteCount: region.byteCount) : nil }

  /// The file behind it, for the front-end to keep.
  var file: PassedDescriptor? { region.fileDescriptor.map { PassedDescriptor(borrowing: $0) } }

  /// Whether a back-end has noted something of a queue.
  func hasNotes(_ index: Int, size: Int, packed: Bool) -> Bool {
    guard let part = try? queue(index, size: size, packed: packed) else { return false }
    return part.load16(InflightLayout.version) != 0
  }

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
    return unsafe SharedMemory(region.hostBase.advanced(by: index * bytes), byteCount: bytes)
  }
}

/// Where things lie in the shared memory that notes what is in flight ("Inflight I/O tracking").
enum InflightLayout {
  /// Bytes of a queue's header and of each entry behind it.
  static func header(packed: Bool) -> Int { packed ? 32 : 16 }
  static func entry(packed: Bool) -> Int { packed ? 32 : 16 }

  /// Bytes of a queue of `size` entries: each begins in lines of its own, as in other back-ends.
  static func queueBytes(size: Int, packed: Bool) -> Int {
    (header(packed: packed) + size * entry(packed: packed) + 63) & ~63
  }

  // Both layouts: features (64 bits), then version and number of entries.
  static let version = 8
  static let entryCount = 10
  /// The version spoken here; 0 is memory that no back-end has used.
  static let currentVersion: UInt16 = 1
}

/// Inflight memory as a front-end keeps it for the back-ends that come one after the other.
///
/// It is held and passed on, never read: what stands in it is between back-ends.
struct KeptInflight {
  let description: InflightDescription
  let file: PassedDescriptor

  /// Bytes that a queue's notes have at most: twice those of the longest ring, so that pages of any size hold them.
  static let mostBytesPerQueue: UInt64 = 2 << 20

  /// Takes what a back-end gave, once it was checked.
  ///
  /// - Parameters:
  ///   - given: the answer, another party's.
  ///   - file: the descriptor that came with it.
  ///   - wanted: what was asked for.
  ///   - isPacked: the layout of the queues.
  /// - Throws: ``InflightError``.
  init(
    _ given: InflightDescription, file: PassedDescriptor, wanted: InflightDescription, isPacked: Bool
  ) throws(InflightError) {
    guard given.queueCount == wanted.queueCount, given.queueSize == wanted.queueSize else {
      throw .shape(
        queues: given.queueCount, of: given.queueSize, wantedQueues: wanted.queueCount, wantedSize: wanted.queueSize)
    }
    let queues = UInt64(wanted.queueCount)
    let needed = queues * UInt64(InflightLayout.queueBytes(size: Int(wanted.queueSize), packed: isPacked))
    let limit = queues * Self.mostBytesPerQueue
    guard (needed...limit).contains(given.byteCount) else {
      throw .byteCount(given.byteCount, needed: needed, limit: limit)
    }
    // No successor could map what this process cannot; it is let go at once.
    do throws(VhostUserError) { _ = try InflightMemory(given, file: file) } catch { throw .file(error) }
    (description, self.file) = (given, file)
  }
}
