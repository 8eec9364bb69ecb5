import BenchHarness
import BenchPaths

/// What one thing costs without a ring, in one placement class.
package struct PrimitiveRow: Encodable, Sendable {
  package var key: PrimitiveKey
  package var placement: PlacementClass
  package var time: Estimate

  private enum Key: String, CodingKey {
    case name, path, bytes, placement, ns
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(key.name, forKey: .name)
    try values.encode(key.path, forKey: .path)
    try values.encode(key.bytes, forKey: .bytes)
    try values.encode(placement, forKey: .placement)
    try values.encode(time.rounded, forKey: .ns)
  }
}
