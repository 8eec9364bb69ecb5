import BenchHarness
import BenchPaths

/// A floor that took turns with a ring.
package struct FloorRow: Sendable {
  package var name: String
  package var isReference: Bool
  package var nanosecondsPerBuffer: Estimate
  package var modes: Modes
  /// The ring's time by this floor's, slice by slice; `nil` when no two slices lay side by side.
  package var ratio: Estimate?

  package init(name: String, isReference: Bool, nanosecondsPerBuffer: Estimate, modes: Modes, ratio: Estimate? = nil) {
    self.name = name
    self.isReference = isReference
    self.nanosecondsPerBuffer = nanosecondsPerBuffer
    self.modes = modes
    self.ratio = ratio
  }
}

extension FloorRow: Encodable {
  private enum Key: String, CodingKey { case name, isReference, nsPerBuffer, modes, ratio }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(name, forKey: .name)
    try values.encode(isReference, forKey: .isReference)
    try values.encode(nanosecondsPerBuffer.rounded, forKey: .nsPerBuffer)
    try values.encode(modes, forKey: .modes)
    try values.encode(ratio?.rounded, forKey: .ratio)
  }
}
