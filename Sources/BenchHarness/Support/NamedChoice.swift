/// A closed set of names that an option accepts, alone or as a list.
package protocol NamedChoice: CaseIterable, Equatable {
  /// What one of them is called in a refusal.
  static var noun: String { get }
  /// How it is written.
  var name: String { get }
}

extension NamedChoice where Self: RawRepresentable, RawValue == String {
  package var name: String { rawValue }
}

extension NamedChoice {
  package static var names: String { allCases.map(\.name).joined(separator: ", ") }

  /// One name.
  package static func parse(_ text: String) throws(BenchError) -> Self {
    guard let choice = allCases.first(where: { $0.name == text }) else {
      throw .usage("there is no \(noun) '\(text)'; choose from: \(names)")
    }
    return choice
  }

  /// Comma lists, given once or repeatedly.
  package static func parse(list: [String]) throws(BenchError) -> [Self] {
    try ListArgument.parse(list, Self.parse(_:))
  }

  /// The same, or `none` alone.
  package static func parse(listOrNone list: [String]) throws(BenchError) -> [Self] {
    let elements = try ListArgument.elements(list)
    guard elements.contains("none") else { return try parse(list: list) }
    guard elements.count == 1 else { throw .usage("none stands alone, not beside another \(noun)") }
    return []
  }
}

/// Options that take `a,b`, or `a` and again `b`.
package enum ListArgument {
  /// The elements; refused where one is empty, as in `a,,b`.
  package static func elements(_ arguments: [String]) throws(BenchError) -> [String] {
    var elements: [String] = []
    for argument in arguments {
      for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
        let element = String(part.drop { $0 == " " })
        guard !element.isEmpty else { throw .usage("an empty element in the list '\(argument)'") }
        elements.append(element)
      }
    }
    return elements
  }

  /// Each element taken for itself; one that comes twice is refused.
  package static func parse<Value: Equatable>(
    _ arguments: [String], _ parse: (String) throws(BenchError) -> Value
  ) throws(BenchError) -> [Value] {
    var values: [Value] = []
    for text in try elements(arguments) {
      let value = try parse(text)
      guard !values.contains(value) else { throw .usage("'\(text)' is in the list twice") }
      values.append(value)
    }
    return values
  }

  /// Whole numbers of a range; `noun` says in a refusal what they count.
  package static func numbers(
    _ arguments: [String], _ range: ClosedRange<Int>, _ option: String, of noun: String = ""
  ) throws(BenchError) -> [Int] {
    try parse(arguments) { text throws(BenchError) in
      guard let number = Int(text), range.contains(number) else {
        throw .usage("\(option) is \(range.lowerBound) to \(range.upperBound)\(noun), not '\(text)'")
      }
      return number
    }
  }

  /// Numbers of bytes that fit, or the refusal of one that does not.
  package static func bytes(
    _ arguments: [String], where fits: (Int) -> Bool, else refusal: (String) -> String
  ) throws(BenchError) -> [Int] {
    try parse(arguments) { text throws(BenchError) in
      let bytes = try ByteCount.parse(text)
      guard fits(bytes) else { throw .usage(refusal(text)) }
      return bytes
    }
  }
}

/// Sizes as people write them: `1500`, `4k`, `64KiB`, `2m`; every suffix is a power of two.
package enum ByteCount {
  private static let units: [(suffixes: [String], factor: Int)] = [
    (["b"], 1), (["k", "kb", "kib"], 1 << 10), (["m", "mb", "mib"], 1 << 20), (["g", "gb", "gib"], 1 << 30),
  ]

  package static func parse(_ text: String) throws(BenchError) -> Int {
    let digits = text.prefix { ("0"..."9").contains($0) }
    let suffix = text.dropFirst(digits.count).lowercased()
    let factor = suffix.isEmpty ? 1 : units.first { $0.suffixes.contains(suffix) }?.factor
    guard let number = Int(digits), let factor else {
      throw .usage("'\(text)' is not a size; write bytes, or a number with k, KiB, m, MiB, g or GiB")
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
    guard !overflow else { throw .usage("'\(text)' is beyond any size this machine could hold") }
    return bytes
  }
}
