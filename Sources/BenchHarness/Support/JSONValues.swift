/// An optional whose key is in the JSON, with null, where there is no value: synthesised coding leaves such keys out.
@propertyWrapper package struct Null<Value: Encodable & Sendable>: Encodable, Sendable {
  package var wrappedValue: Value?

  package init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

  package func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(wrappedValue)
  }
}

extension Null: Decodable where Value: Decodable {
  package init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    wrappedValue = value.decodeNil() ? nil : try value.decode(Value.self)
  }
}

extension Null: Equatable where Value: Equatable {}

/// A number with the digits in the JSON that a measurement has.
@propertyWrapper package struct Figure: Encodable, Equatable, Sendable {
  package var wrappedValue: Double

  package init(wrappedValue: Double) { self.wrappedValue = wrappedValue }

  package func encode(to encoder: any Encoder) throws { try Rounded.value(wrappedValue).encode(to: encoder) }
}
