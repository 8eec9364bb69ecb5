internal import Glibc

/// What the environment asks of the suites.
enum Environment {
  /// Buffers that the long suites exchange in all: RINGKIT_BUFFERS, or `standard`.
  static func buffers(standard: Int) -> Int {
    guard let text = unsafe getenv("RINGKIT_BUFFERS").map({ unsafe String(cString: $0) }) else { return standard }
    guard let count = Int(text), count > 0 else { preconditionFailure("RINGKIT_BUFFERS is not a number: \(text)") }
    return count
  }
}
