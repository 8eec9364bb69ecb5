/// How a shape came out.
enum Verdict: String, Encodable, Sendable {
  case agrees
  case differs
  case cannotBeShown = "cannot be shown here"
}
