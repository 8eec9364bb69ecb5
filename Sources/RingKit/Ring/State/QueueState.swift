/// Everything one end of a queue knows beside its ring's memory: saved on one process, restored on another.
///
/// What moves with it, and what has to be there first:
/// - The guest's memory moves with its contents: ring, indirect tables, payload, and the bounce pool, whose slots hold
///   what the device was given and what it has written so far. Saving stores nothing there but what
///   ``DriverQueue/publish()`` would.
/// - The addresses in descriptors stay what they are, because the device may hold them and a driver may not touch what
///   it made available. So each mapping is taken over at its address (``DMAMapper/resume(_:_:at:)``), in a domain or
///   pool of the target's own in which nothing else was mapped yet.
/// - The driver's end does not know which of its buffers the device has fetched; the device's end does. Where both
///   move, each has a state, and ``check(against:)`` holds them against one another. Where only the device moves, its
///   state is the whole of it: VHOST_GET_VRING_BASE's index, and with it the chains in flight, which a device that is
///   drained first does not have.
/// - What a queue keeps to be fast (slots in sequence, heads that stay in place, backlogs seen) is not part of it.
///
/// Encoded, every field has a digest, so that damage is found and named. A digest does not protect against a forged
/// state: every field is checked when a queue is made of it, and the worst that a forged state does is to complete
/// buffers that it describes itself. A party that may write states may use the guest's memory.
public struct QueueState: Equatable, Sendable {
  /// Which end of the queue it is of.
  public enum Role: String, Codable, Sendable {
    /// ``SplitDriverQueue`` or ``PackedDriverQueue``.
    case driver
    /// ``SplitDeviceQueue`` or ``PackedDeviceQueue``.
    case device
  }

  /// The ring's layout.
  public enum Layout: String, Codable, Sendable {
    /// virtio 1.2, 2.7.
    case split
    /// virtio 1.2, 2.8.
    case packed
  }

  /// A position in a packed ring.
  public struct Position: Codable, Equatable, Sendable {
    /// The descriptor's index in the ring.
    public var offset: UInt16
    /// The wrap counter that goes with it.
    public var wrap: Bool
  }

  /// One segment of a buffer in flight.
  public struct Segment: Codable, Equatable, Sendable {
    /// Where it is for the guest; 0 in a device's state, which does not know.
    public var address: UInt64
    /// The address the device was given.
    public var deviceAddress: UInt64
    /// Its size in bytes.
    public var length: UInt32
    /// Whether the device writes it, else it reads it.
    public var isWritable: Bool
  }

  /// A buffer that a driver has made available and not taken back.
  public struct Buffer: Codable, Equatable, Sendable {
    /// The caller's token.
    public var token: UInt64
    /// Its number among all buffers ever added, modulo 65,536.
    public var position: UInt16
    /// The driver's slots it takes: split, its descriptors; packed, its id first.
    public var slots: [UInt16]
    /// The device's address of its indirect table, which lies at the first slot's place among the tables; `nil`
    /// without.
    public var table: UInt64?
    /// What it is made of.
    public var segments: [Segment]
  }

  /// A chain that a device has fetched and not completed.
  public struct Chain: Codable, Equatable, Sendable {
    /// Split: the head; packed: the buffer id.
    public var id: UInt16
    /// Descriptors of the ring that it takes.
    public var descriptorCount: UInt16
    /// What it is made of.
    public var segments: [Segment]
  }

  /// The version this library writes, and the only one it reads.
  public static let currentVersion = 1

  /// Which end it is of.
  public var role: Role
  /// The ring's layout.
  public var layout: Layout
  /// Descriptors in the ring.
  public var size: Int
  /// The negotiated features, all of them in use.
  public var features: VirtioFeatures
  /// Entries of each indirect table of a driver; 0 without tables, and in a device's state.
  public var indirectCapacity: Int
  /// Whether the source's guest memory was out of its devices' reach.
  public var isSecure: Bool
  /// Guest-physical addresses of the ring's three parts, descriptors first.
  public var ring: [UInt64]
  /// Guest-physical address of the indirect tables; 0 without.
  public var tables: UInt64
  /// Driver: buffers added, modulo 65,536.
  ///
  /// Device of a split ring: buffers fetched, which is its "vring base".
  public var added: UInt16
  /// Driver: buffers taken back.
  ///
  /// Device of a split ring: buffers used.
  public var returned: UInt16
  /// Packed: where the next descriptor becomes available (driver), or is looked for (device).
  public var available: Position?
  /// Packed: where the next used descriptor comes (driver), or goes (device).
  public var used: Position?
  /// IN_ORDER, driver: buffers of the used entry read last that are not taken back yet.
  public var batchRemaining: UInt16
  /// IN_ORDER, driver: the written length of the last of them.
  public var batchLength: UInt32
  /// Published since the other side's wish to be notified was last looked at: buffers (split) or descriptors (packed).
  public var unannounced: UInt64
  /// What this side asks of the other: the flags of its ring (split) or its event suppression word (packed).
  public var suppression: UInt32
  /// A driver's free slots, in the order in which they will be taken.
  public var free: [UInt16]
  /// What a driver has in flight, oldest first.
  public var inFlight: [Buffer]
  /// What a device has fetched and not completed, oldest first.
  public var held: [Chain]

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

/// What a buffer in flight is made of, as its caller added it: needed to map it again elsewhere.
///
/// The ring cannot be asked: the device writes it too, and what stands there are the device's addresses.
public struct BufferSegments: Equatable, Sendable {
  /// The device-readable segments, in order.
  public var readable: [MemorySegment]
  /// The device-writable segments, in order.
  public var writable: [MemorySegment]

  /// A buffer of these segments.
  public init(readable: [MemorySegment] = [], writable: [MemorySegment] = []) {
    self.readable = readable
    self.writable = writable
  }
}

/// A chain that a device has fetched and not yet completed, with its segments.
public struct HeldChain: Sendable {
  /// The chain as ``DeviceQueue/next()`` returned it.
  public let chain: DeviceChain
  /// Its segments, in order.
  public let segments: [TranslatedSegment]

  /// A chain of one segment, or of none.
  public init(_ chain: DeviceChain) {
    self.init(chain, chain.segmentCount == 0 ? [] : [chain.first])
  }

  /// A chain and what ``DeviceQueue/segments`` held when it was fetched.
  public init(_ chain: DeviceChain, _ segments: [TranslatedSegment]) {
    self.chain = chain
    self.segments = segments
  }
}

extension QueueState {
  /// Writes down what a device holds, as its caller says.
  mutating func hold(_ chains: [HeldChain]) throws(QueueStateError) {
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
