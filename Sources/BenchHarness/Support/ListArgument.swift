/// Options that take `a,b`, or `a` and again `b`.
package enum ListArgument {
  package static func elements(_ arguments: [String]) -> [String] {
    arguments.flatMap { $0.split(separator: ",", omittingEmptySubsequences: true) }
      .map { String($0.drop { $0 == " " }) }
      .filter { !$0.isEmpty }
  }

  /// Each element taken for itself; one that comes twice counts once, and an empty list is refused.
  package static func parse<Value: Equatable>(
    _ arguments: [String], ifEmpty refusal: String, _ parse: (String) throws(BenchError) -> Value
  ) throws(BenchError) -> [Value] {
    var values: [Value] = []
    for text in elements(arguments) {
      let value = try parse(text)
      if !values.contains(value) { values.append(value) }
    }
    guard !values.isEmpty else { throw .usage(refusal) }
    return values
  }
}
