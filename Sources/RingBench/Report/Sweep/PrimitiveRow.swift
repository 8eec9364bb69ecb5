/// What one thing costs without a ring, in one placement class.
struct PrimitiveRow: Encodable, Sendable {
  var key: PrimitiveKey
  var placement: PlacementClass
  var time: Estimate

  private enum Key: String, CodingKey {
    case name, path, bytes, placement, ns
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(key.name, forKey: .name)
    try values.encode(key.path, forKey: .path)
    try values.encode(key.bytes, forKey: .bytes)
    try values.encode(placement, forKey: .placement)
    try values.encode(time.rounded, forKey: .ns)
  }
}
