import BenchHarness
import BenchPaths
import VhostUser

extension VhostUserError {
  /// The sentence, with the C library's words for an error number.
  package var text: String {
    if case .system(let operation, let errno) = self { return "\(operation): \(Errno.text(errno))" }
    return description
  }
}
