/// A floor that took turns with a ring.
struct FloorRow: Sendable {
  var name: String
  var nanosecondsPerBuffer: Estimate
  var modes: Modes
}

extension FloorRow: Encodable {
  private enum Key: String, CodingKey { case name, nsPerBuffer, modes }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(name, forKey: .name)
    try values.encode(nanosecondsPerBuffer.rounded, forKey: .nsPerBuffer)
    try values.encode(modes, forKey: .modes)
  }
}
