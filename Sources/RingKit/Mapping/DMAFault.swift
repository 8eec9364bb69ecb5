/// Why a device's access did not reach memory.
///
/// The device's side of the story.
public enum DMAFault: Error, Equatable, Sendable {
  /// The range is not inside memory the device can see.
  case outOfBounds(IOVA, byteCount: UInt64)
  /// The range is longer than the address space above it.
  case addressOverflow(IOVA, byteCount: UInt64)
  /// No translation: never mapped, or unmapped since.
  case notMapped(IOVA)
  /// There is a translation, but not for this kind of access.
  case notPermitted(IOVA, DMADirection)
  /// The translation leads to an address that is not guest memory.
  case badTarget(IOVA, GuestPhysicalAddress)
  /// An entry of the page table, at this level, is none that a driver writes.
  case badEntry(IOVA, UInt64, level: Int)
  /// The process that holds the translations did not say where the address leads.
  case viommu(IOVA, ViommuFailure)
  /// The translation was not here and is being asked for: nothing is wrong, and the same access is tried again once it
  /// has come.
  case pending(IOVA, DMADirection)
}

extension DMAFault {
  /// Whether the access may succeed later, as one to a page that is fetched does; a queue is as it was before.
  @inlinable
  public var isPending: Bool { if case .pending = self { true } else { false } }
}

extension DMAFault: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .outOfBounds(let address, let count): "\(count) bytes at \(address) are not memory the device can see"
    case .addressOverflow(let address, let count): "\(count) bytes at \(address) end beyond 2^64"
    case .notMapped(let address): "\(address) has no translation"
    case .notPermitted(let address, .deviceReadable): "\(address) may not be read by the device"
    case .notPermitted(let address, .deviceWritable): "\(address) may not be written by the device"
    case .badTarget(let address, let target): "\(address) translates to \(target), which is not memory"
    case .badEntry(let address, let bits, let level):
      "the page-table entry of \(address) at level \(level) cannot be 0x\(String(bits, radix: 16))"
    case .viommu(let address, let failure): "\(address) was not translated: \(failure)"
    case .pending(let address, _): "the translation of \(address) has not come yet"
    }
  }
}
