#if Bench
import ArgumentParser
import BenchHarness

extension NamedChoice {
  /// The names, for a shell that completes a value.
  ///
  /// Of a comma list a shell completes the first element.
  static var completion: CompletionKind { .list(allCases.map(\.name)) }
}

extension CompletionKind {
  /// A result of `--format json`.
  static let results = CompletionKind.file(extensions: ["json"])
}
#endif
