/// A floor that took turns with a ring.
struct FloorRow: Sendable {
  var name: String
  var isReference: Bool
  var nanosecondsPerBuffer: Estimate
  var modes: Modes
  /// The ring's time by this floor's, slice by slice; `nil` when no two slices lay side by side.
  var ratio: Estimate?
}

extension FloorRow: Encodable {
  private enum Key: String, CodingKey { case name, isReference, nsPerBuffer, modes, ratio }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(name, forKey: .name)
    try values.encode(isReference, forKey: .isReference)
    try values.encode(nanosecondsPerBuffer.rounded, forKey: .nsPerBuffer)
    try values.encode(modes, forKey: .modes)
    try values.encode(ratio?.rounded, forKey: .ratio)
  }
}
