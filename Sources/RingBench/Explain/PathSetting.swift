/// One thing to write on a command line, in a domain's XML or on a kernel's command line, and who documents it.
struct PathSetting: Codable, Equatable, Sendable {
  /// As it is written.
  let text: String
  /// What it does for the path.
  let effect: String
  /// Where that is documented: a file or a page, by name.
  let source: String

  init(_ text: String, _ effect: String, source: String) {
    self.text = text
    self.effect = effect
    self.source = source
  }
}
