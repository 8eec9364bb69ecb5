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
    try ListArgument.parse(list, ifEmpty: "an empty list of \(noun)s; choose from: \(names)", Self.parse(_:))
  }

  /// The same, or `none` alone.
  package static func parse(listOrNone list: [String]) throws(BenchError) -> [Self] {
    let elements = try ListArgument.elements(list)
    guard elements.contains("none") else { return try parse(list: list) }
    guard elements.count == 1 else { throw .usage("none stands alone, not beside another \(noun)") }
    return []
  }
}
