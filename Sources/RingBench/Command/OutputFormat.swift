/// How a report is written.
enum OutputFormat: String, CaseIterable, Sendable, NamedChoice {
  case text
  case json

  static let noun = "format"
}
