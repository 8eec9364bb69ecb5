/// Why a ``DMAMaskMapper`` cannot be made as asked.
public enum DMAMaskConfigurationError: Error, Equatable, Sendable {
  /// The bounce pool does not lie below the mask, so that what is bounced would be as far away as before.
  case poolBeyondMask(GuestPhysicalAddress, byteCount: Int, limit: UInt64)
  /// There is no retpoline for this machine's architecture.
  case retpolineUnavailable
}

extension DMAMaskConfigurationError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .poolBeyondMask(let address, let count, let limit):
      "a bounce pool of \(count) bytes at \(address) does not end below the device's mask 0x\(String(limit, radix: 16))"
    case .retpolineUnavailable: IdentityConfigurationError.retpolineUnavailable.description
    }
  }
}
