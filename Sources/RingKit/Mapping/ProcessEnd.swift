/// How another process ended.
public enum ProcessEnd: Equatable, Sendable {
  /// By itself, with this code.
  case exited(code: Int32)
  /// By this signal; 11, SIGSEGV, when it touched memory that was not there for it.
  case killed(signal: Int32)
  /// It cannot be told how: the process is not, or not any more, a child of this one.
  case unknown
}

extension ProcessEnd: CustomStringConvertible {
  /// A few words, to go on after a name.
  public var description: String {
    switch self {
    case .exited(let code): "exited with code \(code)"
    case .killed(let signal): "was killed by signal \(signal)"
    case .unknown: "is gone"
    }
  }
}
