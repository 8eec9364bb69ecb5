import BenchPlan
import RingKit

/// One result: one combination in one placement class.
package struct ResultRow: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// A DMA path on a ring: `cost` and `sweep`.
    case path
    /// A size that a path does not take; `note` has the path's own words.
    case refused
    /// What mapping or copying costs without a ring.
    case primitive
    /// `hybrid` by the better of the two paths it is made of.
    case hybridCheck
    /// Where hybrid's threshold comes from.
    case hybridCalibration
    /// A ring alone.
    case ring
    /// A program that moves the same cache lines as the ring whose labels it has.
    case floor
    /// A figure of a published shape.
    case shape
    /// A real device behind another process's or the kernel's driver.
    case device
    /// A boot of a guest.
    case guest
    /// A DMA path at one point of what grows: `scale`.
    case scale
    /// What becomes of a path's cost along an axis; `note` says flat, or what grew with it.
    case growth
    /// Maps of a pool that runs full.
    case exhaust
    /// Simulated, not measured.
    case prediction
    /// A prediction beside what real threads did.
    case check
    /// Round trips of a cache line.
    case roundTrip
    /// RingKit's program or the one it is compared with: `make peers`.
    case peer
  }

  package var kind: Kind
  package var ring: RingLayout?
  package var path: DMAPath?
  package var direction: DMADirection?
  package var bytes: Int?
  /// Buffers outstanding.
  package var depth: Int?
  /// Buffers that become visible with one store.
  package var batch: Int?
  /// What else tells rows of one document apart, by name.
  package var labels: [String: String] = [:]
  package var placement: PlacementFigure?
  package var nsPerBuffer: Estimate?
  package var buffersPerSecond: Estimate?
  /// The path's time by direct's, slice by slice of the same round: 1 is the same, 2 costs twice as much.
  package var ratioToDirect: Estimate?
  /// The same by swiotlb's.
  package var ratioToSwiotlb: Estimate?
  /// The ring's time by the fastest reference floor's.
  package var ratioToFloor: Estimate?
  /// Where the times gather, when they gather around two.
  var modes: Modes?
  /// Figures that only this kind of row has.
  package var figures: [ResultFigure]?
  /// As many of `slices` as count.
  package var slicesKept: Int?
  /// As many of `slices` as do not.
  package var slicesDropped: Int?
  /// Every slice of the combination in this class, in the order they were taken; those that were dropped, whatever
  /// class they would have been in, stand in its row with most slices.
  package var slices: [SliceSample]?
  /// Work per buffer, by the names of ``RingKit/WorkEvent``, and figures of the path's own.
  package var counters: [String: Double]?
  package var latency: Latency?
  /// What was paid where a path has more than one price: `process` or `injected` for viommu.
  package var price: String?
  /// Whether a price that cannot be measured here was added.
  package var injected: Bool?
  /// The device was another process, which had mapped the shared pages and nothing else.
  package var isolated: Bool?
  package var note: String?

  package init(_ kind: Kind) { self.kind = kind }
}

/// One slice as it was measured.
package struct SliceSample: Codable, Equatable, Sendable {
  /// Slices of one round, of whatever row, were taken within a moment of each other.
  package var round: Int
  package var nsPerBuffer: Double
  /// The mean of the probes before and after; `nil` when one was not answered.
  var roundTripNs: Double?
  /// Why it does not count.
  package var dropped: DropReason?
}

/// A figure with its unit, where no field of the row is made for it.
package struct ResultFigure: Codable, Equatable, Sendable {
  package var name: String
  /// `ns`, `1/s`, `bytes`, `1` of a share, a ratio or a count, and so on.
  package var unit: String
  package var value: Double
  /// The ends of its 95 % interval, where it has one; of a guest's boots the extremes.
  package var low: Double?
  package var high: Double?

  package init(_ name: String, unit: String, _ value: Double, digits: Int = 6) {
    (self.name, self.unit, self.value) = (name, unit, Rounded.value(value, digits: digits))
  }

  /// With all digits it has.
  package init(_ name: String, unit: String, exactly value: Double) {
    (self.name, self.unit, self.value) = (name, unit, value)
  }

  package init(_ name: String, unit: String, _ estimate: Estimate) {
    self.init(name, unit: unit, estimate.median, digits: 4)
    (low, high) = (Rounded.value(estimate.low), Rounded.value(estimate.high))
  }
}

extension ResultRow {
  package func figure(_ name: String) -> ResultFigure? { figures?.first { $0.name == name } }

  /// What a row is about, without the class it was measured in.
  package struct Identity: Hashable, Sendable {
    package var kind: Kind
    package let ring: RingLayout?
    package var path: DMAPath?
    package let direction: DMADirection?
    package let bytes: Int?
    package var isolated: Bool
    package var labels: [String: String]
  }

  package var identity: Identity {
    Identity(
      kind: kind, ring: ring, path: path, direction: direction, bytes: bytes, isolated: isolated ?? false,
      labels: labels)
  }

  /// In words, as a line of a list names it.
  package var name: String {
    var parts = [ring?.name, path.map { Answer.name($0, price, isolated: isolated ?? false) }].compactMap { $0 }
    if let direction { parts.append(direction.name) }
    if let bytes { parts.append("\(grouped(bytes)) bytes") }
    parts += labels.keys.sorted().map { "\($0) \(labels[$0] ?? "")" }
    if let placement { parts.append(placement.class.name) }
    return parts.joined(separator: ", ")
  }
}

/// What the guest drives: our vhost-user device on the other end.
package enum GuestDevice: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// A disk under random writes and reads.
  case blk
  /// A network device that returns each frame.
  case net

  package static let noun = "device"

  /// The passes of its load, in order.
  package var operations: [String] { self == .blk ? ["write", "read"] : ["exchange"] }
}
