extension QueueState: Codable {
  /// The fields, by their names in the encoded state.
  package enum Field: String, CodingKey, CaseIterable, Sendable, CustomStringConvertible {
    /// "ringkit-queue-state".
    case format
    /// ``QueueState/currentVersion``.
    case version
    /// Which end.
    case role
    /// Split or packed.
    case layout
    /// Descriptors in the ring.
    case size
    /// The 64 feature bits as a number.
    case features
    /// Entries of each indirect table.
    case indirectCapacity
    /// Whether the source was a secure platform.
    case isSecure
    /// Addresses of the ring's parts.
    case ring
    /// Address of the indirect tables.
    case tables
    /// Buffers added, or fetched.
    case added
    /// Buffers taken back, or used.
    case returned
    /// Packed: the next available position.
    case available
    /// Packed: the next used position.
    case used
    /// Buffers left of a batch.
    case batchRemaining
    /// The batch's written length.
    case batchLength
    /// Published and not announced.
    case unannounced
    /// What this side asks of the other.
    case suppression
    /// Free slots.
    case free
    /// Buffers in flight.
    case inFlight
    /// Chains held.
    case held
    /// Of every other field.
    case digests

    /// The name.
    package var description: String { rawValue }
  }

  private static let format = "ringkit-queue-state"

  /// Writes every field, and a digest of each.
  public func encode(to encoder: any Encoder) throws {
    var box = encoder.container(keyedBy: Field.self)
    try box.encode(Self.format, forKey: .format)
    try box.encode(Self.currentVersion, forKey: .version)
    try box.encode(role, forKey: .role)
    try box.encode(layout, forKey: .layout)
    try box.encode(size, forKey: .size)
    try box.encode(features.rawValue, forKey: .features)
    try box.encode(indirectCapacity, forKey: .indirectCapacity)
    try box.encode(isSecure, forKey: .isSecure)
    try box.encode(ring, forKey: .ring)
    try box.encode(tables, forKey: .tables)
    try box.encode(added, forKey: .added)
    try box.encode(returned, forKey: .returned)
    try box.encodeIfPresent(available, forKey: .available)
    try box.encodeIfPresent(used, forKey: .used)
    try box.encode(batchRemaining, forKey: .batchRemaining)
    try box.encode(batchLength, forKey: .batchLength)
    try box.encode(unannounced, forKey: .unannounced)
    try box.encode(suppression, forKey: .suppression)
    try box.encode(free, forKey: .free)
    try box.encode(inFlight, forKey: .inFlight)
    try box.encode(held, forKey: .held)
    try box.encode(digests, forKey: .digests)
  }

  /// Reads a state, and holds every field against its digest.
  ///
  /// - Throws: ``QueueStateError/foreign(field:found:expected:)`` or ``QueueStateError/damaged(field:)``.
  public init(from decoder: any Decoder) throws {
    guard let box = try? decoder.container(keyedBy: Field.self) else { throw QueueStateError.damaged(.format) }
    func read<Value: Decodable>(_ field: Field) throws(QueueStateError) -> Value {
      do { return try box.decode(Value.self, forKey: field) } catch { throw .damaged(field) }
    }
    func readIfPresent(_ field: Field) throws(QueueStateError) -> Position? {
      do { return try box.decodeIfPresent(Position.self, forKey: field) } catch { throw .damaged(field) }
    }
    let format: String = try read(.format)
    guard format == Self.format else {
      throw QueueStateError.foreign(.format, found: format, expected: Self.format)
    }
    let version: Int = try read(.version)
    guard version == Self.currentVersion else {
      throw QueueStateError.foreign(.version, found: "\(version)", expected: "\(Self.currentVersion)")
    }
    self.init(
      try read(.role), try read(.layout), size: try read(.size),
      features: VirtioFeatures(rawValue: try read(.features)), isSecure: try read(.isSecure), ring: try read(.ring))
    (indirectCapacity, tables) = (try read(.indirectCapacity), try read(.tables))
    (added, returned) = (try read(.added), try read(.returned))
    (available, used) = (try readIfPresent(.available), try readIfPresent(.used))
    (batchRemaining, batchLength) = (try read(.batchRemaining), try read(.batchLength))
    (unannounced, suppression) = (try read(.unannounced), try read(.suppression))
    (free, inFlight, held) = (try read(.free), try read(.inFlight), try read(.held))
    let found: [String: UInt64] = try read(.digests)
    for (name, digest) in digests.sorted(by: { $0.key < $1.key }) where found[name] != digest {
      throw QueueStateError.damaged(Field(rawValue: name) ?? .digests)
    }
    guard found.count == digests.count else { throw QueueStateError.damaged(.digests) }
  }
}

extension QueueState {
  /// Of each field but the format, the version and the digests themselves, by its name.
  var digests: [String: UInt64] {
    var all: [String: UInt64] = [:]
    func add(_ field: Field, _ body: (inout StateDigest) -> Void) {
      // The name is part of it, so that equal values of two fields cannot be exchanged.
      var digest = StateDigest()
      for byte in field.rawValue.utf8 { digest.add(UInt64(byte)) }
      body(&digest)
      all[field.rawValue] = digest.value
    }
    add(.role) { $0.add(role == .driver ? 0 : 1) }
    add(.layout) { $0.add(layout == .split ? 0 : 1) }
    add(.size) { $0.add(UInt64(bitPattern: Int64(size))) }
    add(.features) { $0.add(features.rawValue) }
    add(.indirectCapacity) { $0.add(UInt64(bitPattern: Int64(indirectCapacity))) }
    add(.isSecure) { $0.add(isSecure ? 1 : 0) }
    add(.ring) { $0.add(ring) }
    add(.tables) { $0.add(tables) }
    add(.added) { $0.add(UInt64(added)) }
    add(.returned) { $0.add(UInt64(returned)) }
    add(.available) { $0.add(available) }
    add(.used) { $0.add(used) }
    add(.batchRemaining) { $0.add(UInt64(batchRemaining)) }
    add(.batchLength) { $0.add(UInt64(batchLength)) }
    add(.unannounced) { $0.add(unannounced) }
    add(.suppression) { $0.add(UInt64(suppression)) }
    add(.free) { $0.add(free.map(UInt64.init)) }
    add(.inFlight) { digest in
      for buffer in inFlight {
        digest.add([buffer.token, UInt64(buffer.position)])
        digest.add(buffer.slots.map(UInt64.init))
        digest.add(buffer.table.map { [$0] } ?? [])
        digest.add(buffer.segments)
      }
    }
    add(.held) { digest in
      for chain in held {
        digest.add([UInt64(chain.id), UInt64(chain.descriptorCount)])
        digest.add(chain.segments)
      }
    }
    return all
  }
}

/// Sixty-four bits that tell a value from a damaged one: FNV-1a over 64-bit words, mixed once more per word.
///
/// Finds accidents, not intent.
struct StateDigest {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ word: UInt64) {
    value = (value ^ word) &* 0x100_0000_01b3
    // A word's high bits would otherwise never reach the low ones.
    value ^= value >> 29
  }

  /// Counted, so that two lists in a row have one reading only.
  mutating func add(_ words: [UInt64]) {
    add(UInt64(words.count))
    for word in words { add(word) }
  }

  mutating func add(_ position: QueueState.Position?) {
    guard let position else { return add([] as [UInt64]) }
    add([UInt64(position.offset), position.wrap ? 1 : 0])
  }

  mutating func add(_ segments: [QueueState.Segment]) {
    add(UInt64(segments.count))
    for segment in segments {
      add([segment.address, segment.deviceAddress, UInt64(segment.length), segment.isWritable ? 1 : 0])
    }
  }
}
