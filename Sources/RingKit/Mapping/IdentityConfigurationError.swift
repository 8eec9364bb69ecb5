/// Why an ``IdentityMapper`` cannot be made as asked.
public enum IdentityConfigurationError: Error, Equatable, Sendable {
  /// There is no retpoline for this machine's architecture.
  case retpolineUnavailable
}

extension IdentityConfigurationError: CustomStringConvertible {
  /// One sentence.
  public var description: String {
    switch self {
    case .retpolineUnavailable: "retpolines are built for x86-64 only"
    }
  }
}
