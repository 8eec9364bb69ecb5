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

  /// Each element taken for itself; one that comes twice, and an empty list, are refused.
  package static func parse<Value: Equatable>(
    _ arguments: [String], ifEmpty refusal: String, _ parse: (String) throws(BenchError) -> Value
  ) throws(BenchError) -> [Value] {
    var values: [Value] = []
    for text in try elements(arguments) {
      let value = try parse(text)
      guard !values.contains(value) else { throw .usage("'\(text)' is in the list twice") }
      values.append(value)
    }
    guard !values.isEmpty else { throw .usage(refusal) }
    return values
  }
}
