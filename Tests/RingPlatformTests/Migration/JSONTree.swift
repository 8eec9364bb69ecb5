/// Any JSON, to be damaged value by value.
enum JSONTree: Codable, Equatable {
  case null
  case bool(Bool)
  case number(UInt64)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  init(from decoder: any Decoder) throws {
    let box = try decoder.singleValueContainer()
    if box.decodeNil() {
      self = .null
    } else if let value = try? box.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? box.decode(UInt64.self) {
      self = .number(value)
    } else if let value = try? box.decode(String.self) {
      self = .string(value)
    } else if let value = try? box.decode([JSONTree].self) {
      self = .array(value)
    } else {
      self = .object(try box.decode([String: JSONTree].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var box = encoder.singleValueContainer()
    switch self {
    case .null: try box.encodeNil()
    case .bool(let value): try box.encode(value)
    case .number(let value): try box.encode(value)
    case .string(let value): try box.encode(value)
    case .array(let value): try box.encode(value)
    case .object(let value): try box.encode(value)
    }
  }

  /// Everything that differs from it in one value, and that one a little.
  var changed: [JSONTree] {
    switch self {
    case .null: [.number(0)]
    case .bool(let value): [.bool(!value)]
    case .number(let value): [.number(value &+ 1), .number(value ^ 1 << 31)]
    case .string(let value): [.string(value + "x"), .string("")]
    case .array(let values):
      [.array(values + [values.last ?? .number(0)]), .array(values.reversed()), .array(Array(values.dropLast()))].filter
      {
        $0 != self
      }
        + values.indices.flatMap { index in
          values[index].changed.map { value in
            var copy = values
            copy[index] = value
            return .array(copy)
          }
        }
    case .object(let values):
      values.flatMap { name, value in
        (value.changed + [nil]).map { other in
          var copy = values
          copy[name] = other
          return .object(copy)
        }
      }
    }
  }
}
