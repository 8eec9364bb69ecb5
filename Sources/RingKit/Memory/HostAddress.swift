/// An address in this process: where guest memory is mapped here.
///
/// It is a number until someone says `unsafe`: ``pointer`` is the one place where it becomes a pointer.
@frozen @safe
public struct HostAddress: Hashable, Sendable, BitwiseCopyable {
  /// The address in bytes.
  public let rawValue: UInt

  /// Takes the address of memory that the caller keeps mapped for as long as the value is used.
  @inlinable
  public init(_ pointer: UnsafeMutableRawPointer) { self.rawValue = UInt(bitPattern: pointer) }

  /// Wraps an address given in bytes; not 0, or ``pointer`` has none to give.
  @inlinable
  public init(rawValue: UInt) { self.rawValue = rawValue }

  /// The memory itself; valid while the region it lies in is mapped.
  @unsafe @inlinable
  public var pointer: UnsafeMutableRawPointer {
    // SAFETY: only addresses of mapped regions are made into HostAddress, and no region starts at 0; other than that any
    // word is a pointer.
    unsafe unsafeBitCast(self, to: UnsafeMutableRawPointer.self)
  }

  /// The address `bytes` further on.
  ///
  /// The caller has checked that it stays inside the region.
  @inlinable
  public func advanced(by bytes: Int) -> HostAddress { HostAddress(rawValue: rawValue &+ UInt(bitPattern: bytes)) }
}
