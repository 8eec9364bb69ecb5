public import RingKit

/// A message in memory that two processes share: its length, then its bytes.
public struct MovingMail {
  /// The memory.
  public let region: MemoryRegion

  private static let byteCount = 1 << 20

  /// New memory.
  public init() throws { region = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: Self.byteCount) }

  /// Memory of another process.
  public init(attaching fileDescriptor: Int32) throws {
    region = try MemoryRegion(attaching: fileDescriptor, byteCount: Self.byteCount, at: GuestPhysicalAddress(0))
  }

  /// Replaces the message.
  public func write(_ bytes: [UInt8]) {
    precondition(bytes.count <= Self.byteCount - 8, "a message of \(bytes.count) bytes is too long")
    let base = unsafe region.hostBase.pointer
    unsafe base.storeBytes(of: bytes.count, as: Int.self)
    for (i, byte) in bytes.enumerated() { unsafe base.storeBytes(of: byte, toByteOffset: 8 + i, as: UInt8.self) }
  }

  /// The message.
  public func read() -> [UInt8] {
    let base = unsafe region.hostBase.pointer
    let count = unsafe min(base.load(as: Int.self), Self.byteCount - 8)
    return (0..<max(count, 0)).map { unsafe base.load(fromByteOffset: 8 + $0, as: UInt8.self) }
  }
}
