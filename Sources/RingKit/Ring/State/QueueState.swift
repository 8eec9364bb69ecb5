/// Everything one end of a queue knows beside its ring's memory: saved on one process, restored on another.
///
/// What moves with it, and what has to be there first:
/// - The guest's memory moves with its contents: ring, indirect tables, payload, and the bounce pool, whose slots hold
///   what the device was given and what it has written so far. Saving stores nothing there but what
///   ``DriverQueue/publish()`` would.
/// - The addresses in descriptors stay what they are, because the device may hold them and a driver may not touch what
///   it made available. So each mapping is taken over at its address (``ResumableMapper/resume(_:_:at:)``), in a
///   domain or pool of the target's own in which nothing else was mapped yet.
/// - The driver's end does not know which of its buffers the device has fetched; the device's end does. Where both
///   move, each has a state, and ``check(against:)`` holds them against one another. Where only the device moves, its
///   state is the whole of it: VHOST_GET_VRING_BASE's index, and with it the chains in flight, which a device that is
///   drained first does not have.
/// - What a queue keeps to be fast (slots in sequence, heads that stay as they were, backlogs seen) is not part of it.
///
/// Encoded, every field has a digest, so that damage is found and named. A digest does not protect against a forged
/// state: every field is checked when a queue is made of it, and the worst that a forged state does is to complete
/// buffers that it describes itself. A party that may write states may use the guest's memory.
public struct QueueState: Equatable, Sendable {
  /// Which end of the queue it is of.
  package enum Role: String, Codable, Sendable {
    /// ``SplitDriverQueue`` or ``PackedDriverQueue``.
    case driver
    /// ``SplitDeviceQueue`` or ``PackedDeviceQueue``.
    case device
  }

  /// The ring's layout.
  package enum Layout: String, Codable, Sendable {
    /// virtio 1.2, 2.7.
    case split
    /// virtio 1.2, 2.8.
    case packed
  }

  /// A position in a packed ring.
  package struct Position: Codable, Equatable, Sendable {
    /// The descriptor's index in the ring.
    package var offset: UInt16
    /// The wrap counter that goes with it.
    package var wrap: Bool
  }

  /// One segment of a buffer in flight.
  package struct Segment: Codable, Equatable, Sendable {
    /// Where it is for the guest; 0 in a device's state, which does not know.
    package var address: UInt64
    /// The address the device was given.
    package var deviceAddress: UInt64
    /// Its size in bytes.
    package var length: UInt32
    /// Whether the device writes it, else it reads it.
    package var isWritable: Bool
  }

  /// A buffer that a driver has made available and not taken back.
  package struct Buffer: Codable, Equatable, Sendable {
    /// The caller's token.
    package var token: UInt64
    /// Its number among all buffers ever added, modulo 65,536.
    package var position: UInt16
    /// The driver's slots it takes: split, its descriptors; packed, its id first.
    package var slots: [UInt16]
    /// The device's address of its indirect table, which has the first slot's index among the tables; `nil`
    /// without.
    package var table: UInt64?
    /// What it is made of.
    package var segments: [Segment]
  }

  /// A chain that a device has fetched and not completed.
  package struct Chain: Codable, Equatable, Sendable {
    /// Split: the head; packed: the buffer id.
    package var id: UInt16
    /// Descriptors of the ring that it takes.
    package var descriptorCount: UInt16
    /// What it is made of.
    package var segments: [Segment]
  }

  /// The version this library writes, and the only one it reads.
  public static let currentVersion = 1

  /// Which end it is of.
  package var role: Role
  /// The ring's layout.
  package var layout: Layout
  /// Descriptors in the ring.
  public package(set) var size: Int
  /// The negotiated features, all of them in use.
  public package(set) var features: VirtioFeatures
  /// Entries of each indirect table of a driver; 0 without tables, and in a device's state.
  package var indirectCapacity: Int
  /// Whether the source's guest memory was out of its devices' reach.
  public package(set) var isSecure: Bool
  /// Guest-physical addresses of the ring's three parts, descriptors first.
  package var ring: [UInt64]
  /// Guest-physical address of the indirect tables; 0 without.
  package var tables: UInt64
  /// Driver: buffers added, modulo 65,536.
  ///
  /// Device of a split ring: buffers fetched, which is its "vring base".
  package var added: UInt16
  /// Driver: buffers taken back.
  ///
  /// Device of a split ring: buffers used.
  package var returned: UInt16
  /// Packed: where the next descriptor becomes available (driver), or is looked for (device).
  package var available: Position?
  /// Packed: where the next used descriptor comes (driver), or goes (device).
  package var used: Position?
  /// IN_ORDER, driver: buffers of the used entry read last that are not taken back yet.
  package var batchRemaining: UInt16
  /// IN_ORDER, driver: the written length of the last of them.
  package var batchLength: UInt32
  /// Published since the other side's wish to be notified was last looked at: buffers (split) or descriptors (packed).
  package var unannounced: UInt64
  /// What this side asks of the other: the flags of its ring (split) or its event suppression word (packed).
  package var suppression: UInt32
  /// A driver's free slots, in the order in which they will be taken.
  package var free: [UInt16]
  /// What a driver has in flight, oldest first.
  package var inFlight: [Buffer]
  /// What a device has fetched and not completed, oldest first.
  package var held: [Chain]

  var configuration: QueueConfiguration {
    QueueConfiguration(size: size, features: features, indirectCapacity: indirectCapacity)
  }

  init(_ role: Role, _ layout: Layout, size: Int, features: VirtioFeatures, isSecure: Bool, ring: [UInt64]) {
    self.role = role
    self.layout = layout
    self.size = size
    self.features = features
    self.isSecure = isSecure
    self.ring = ring
    indirectCapacity = 0
    tables = 0
    added = 0
    returned = 0
    batchRemaining = 0
    batchLength = 0
    unannounced = 0
    suppression = 0
    free = []
    inFlight = []
    held = []
  }
}

extension QueueState.Position {
  init(_ counter: WrapCounter) { self.init(offset: counter.offset, wrap: counter.wrap) }

  var counter: WrapCounter { WrapCounter(offset: offset, wrap: wrap) }
}

extension QueueState.Segment {
  var direction: DMADirection { isWritable ? .deviceWritable : .deviceReadable }

  var memory: MemorySegment { MemorySegment(GuestPhysicalAddress(address), length: length) }
}

/// A buffer in flight as its caller added it: needed to map it again elsewhere.
///
/// The ring cannot be asked: the device writes it too, and what stands there are the device's addresses.
package typealias DescribedBuffer = (readable: [MemorySegment], writable: [MemorySegment])

/// A chain that a device has fetched and not completed, as ``DeviceQueue/next()`` returned it, with its segments.
package typealias HeldChain = (chain: DeviceChain, segments: [TranslatedSegment])

extension QueueState {
  /// Holds the chains that a caller gives against how many its device has fetched and not completed.
  static func check(_ chains: [HeldChain], inFlight: Int) throws(QueueStateError) {
    guard chains.count == inFlight else {
      throw .wrongChains(reason: "\(chains.count) were given, \(inFlight) are fetched and not completed")
    }
  }

  /// Writes down what a device holds, as its caller says.
  mutating func hold(_ chains: [(chain: DeviceChain, segments: [TranslatedSegment])]) throws(QueueStateError) {
    for held in chains {
      let chain = held.chain
      var sums: (readable: UInt64, writable: UInt64) = (0, 0)
      for segment in held.segments {
        if segment.access == .deviceReadable {
          sums.readable += UInt64(segment.byteCount)
        } else {
          sums.writable += UInt64(segment.byteCount)
        }
      }
      guard held.segments.count == chain.segmentCount, sums.readable == chain.readableByteCount,
        sums.writable == chain.writableByteCount
      else { throw .wrongChains(reason: "the segments given with id \(chain.id) are not those of the chain") }
      self.held.append(
        Chain(
          id: chain.id, descriptorCount: chain.descriptorCount,
          segments: held.segments.map {
            Segment(
              address: 0, deviceAddress: $0.address.rawValue, length: UInt32($0.byteCount),
              isWritable: $0.access == .deviceWritable)
          }))
    }
  }
}

extension ChainBuilder {
  /// Finds a held chain's memory again, through the translator that is here.
  mutating func rebuild<Translator: DMATranslator & ~Copyable>(
    _ chain: QueueState.Chain, _ translator: inout Translator
  ) throws(QueueStateError) -> DeviceChain {
    begin()
    for segment in chain.segments {
      do throws(QueueError) {
        try append(
          IOVA(segment.deviceAddress), segment.length, isWritable: segment.isWritable, &translator)
      } catch { throw .chain(id: chain.id, error) }
    }
    return self.chain(id: chain.id, descriptorCount: chain.descriptorCount)
  }
}
