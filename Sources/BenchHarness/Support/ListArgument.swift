/// Options that take `a,b`, or `a` and again `b`.
package enum ListArgument {
  package static func elements(_ arguments: [String]) -> [String] {
    arguments.flatMap { $0.split(separator: ",", omittingEmptySubsequences: true) }
      .map { String($0.drop { $0 == " " }) }
      .filter { !$0.isEmpty }
  }
}
