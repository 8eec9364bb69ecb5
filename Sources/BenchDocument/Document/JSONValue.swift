import BenchHarness
import FoundationEssentials

/// Any JSON, for what has names of its own: a command's parameters, a file of schema 1.
package enum JSONValue: Codable, Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case unsigned(UInt64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  package init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let bool = try? value.decode(Bool.self) {
      self = .bool(bool)
    } else if let integer = try? value.decode(Int.self) {
      self = .integer(integer)
    } else if let unsigned = try? value.decode(UInt64.self) {
      self = .unsigned(unsigned)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let string = try? value.decode(String.self) {
      self = .string(string)
    } else if let array = try? value.decode([JSONValue].self) {
      self = .array(array)
    } else {
      self = .object(try value.decode([String: JSONValue].self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .null: try value.encodeNil()
    case .bool(let bool): try value.encode(bool)
    case .integer(let integer): try value.encode(integer)
    case .unsigned(let unsigned): try value.encode(unsigned)
    case .number(let number): try value.encode(number)
    case .string(let string): try value.encode(string)
    case .array(let array): try value.encode(array)
    case .object(let object): try value.encode(object)
    }
  }
}

extension JSONValue {
  /// What encoding a value gives.
  package static func of(_ value: some Encodable) throws(BenchError) -> JSONValue {
    do {
      return try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(value))
    } catch {
      throw .check("the result cannot be written as JSON: \(error)")
    }
  }

  /// The value of that type whose JSON this is.
  package func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
    try JSONDecoder().decode(type, from: JSONEncoder().encode(self))
  }

  package subscript(_ key: String) -> JSONValue? { object?[key] }

  package var object: [String: JSONValue]? {
    if case .object(let object) = self { object } else { nil }
  }
  package var array: [JSONValue]? {
    if case .array(let array) = self { array } else { nil }
  }
  package var string: String? {
    if case .string(let string) = self { string } else { nil }
  }
  package var bool: Bool? {
    if case .bool(let bool) = self { bool } else { nil }
  }
  package var number: Double? {
    switch self {
    case .integer(let integer): Double(integer)
    case .unsigned(let unsigned): Double(unsigned)
    case .number(let number): number
    default: nil
    }
  }
  package var integer: Int? {
    if case .integer(let integer) = self { integer } else { nil }
  }

  /// On one line, as a message quotes it.
  package var text: String {
    switch self {
    case .null: "null"
    case .bool(let bool): "\(bool)"
    case .integer(let integer): "\(integer)"
    case .unsigned(let unsigned): "\(unsigned)"
    case .number(let number): "\(number)"
    case .string(let string): string
    case .array(let array): array.map(\.text).joined(separator: ",")
    case .object(let object):
      "{" + object.keys.sorted().map { "\($0): \(object[$0]?.text ?? "")" }.joined(separator: ", ") + "}"
    }
  }
}

/// Tells the bytes of JSON's strings, quotes included, from what is between them.
private struct JSONString {
  private var isInside = false
  private var isEscaped = false

  /// Whether a byte, the next one, belongs to a string.
  package mutating func takes(_ byte: UInt8) -> Bool {
    let wasInside = isInside
    if isEscaped {
      isEscaped = false
    } else if byte == UInt8(ascii: "\"") {
      isInside.toggle()
    } else if isInside, byte == UInt8(ascii: "\\") {
      isEscaped = true
    }
    return wasInside || isInside
  }
}

/// JSON as it is committed: sorted keys, what is short and holds no other lists or objects on one line, a newline at
/// the end.
///
/// A thousand slices are a thousand short lines then, which a diff and a reader can follow.
package enum JSONText {
  package static func encode(_ value: some Encodable) throws(BenchError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: broken(Array(try encoder.encode(value))), as: UTF8.self) + "\n"
    } catch {
      throw .check("the result cannot be written as JSON: \(error)")
    }
  }

  /// The same JSON with line breaks and indentation.
  private static func broken(_ bytes: [UInt8]) -> [UInt8] {
    let leaves = leaves(bytes)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 5 / 4)
    var (depth, leafEnd, string) = (0, -1, JSONString())
    func newline(_ depth: Int) {
      text.append(UInt8(ascii: "\n"))
      for _ in 0..<(2 * depth) { text.append(UInt8(ascii: " ")) }
    }
    for (offset, byte) in bytes.enumerated() {
      if string.takes(byte) {
        text.append(byte)
        continue
      }
      let isLeaf = offset <= leafEnd
      switch byte {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        text.append(byte)
        if leaves[offset] >= 0 {
          leafEnd = leaves[offset]
        } else {
          depth += 1
          newline(depth)
        }
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if !isLeaf {
          depth -= 1
          newline(depth)
        }
        text.append(byte)
      case UInt8(ascii: ","):
        text.append(byte)
        if isLeaf { text.append(UInt8(ascii: " ")) } else { newline(depth) }
      case UInt8(ascii: ":"): text += [byte, UInt8(ascii: " ")]
      default: text.append(byte)
      }
    }
    return text
  }

  private static let longestLine = 160

  /// Where each short list or object ends that holds no other; -1 anywhere else.
  private static func leaves(_ bytes: [UInt8]) -> [Int] {
    var ends = [Int](repeating: -1, count: bytes.count)
    var (open, string) = (-1, JSONString())
    for (offset, byte) in bytes.enumerated() {
      if string.takes(byte) { continue }
      switch byte {
      case UInt8(ascii: "{"), UInt8(ascii: "["): open = offset
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if open >= 0, offset - open <= longestLine { ends[open] = offset }
        open = -1
      default: break
      }
    }
    return ends
  }
}
