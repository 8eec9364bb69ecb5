import CRingBench

/// A floor program by its name in the results.
struct FloorKind: Sendable {
  let name: String
  let kind: crb_floor_kind
  /// Whether the ring's ratio may be taken against it.
  let isReference: Bool

  init(_ name: String, _ kind: crb_floor_kind, isReference: Bool = true) {
    self.name = name
    self.kind = kind
    self.isReference = isReference
  }
}
