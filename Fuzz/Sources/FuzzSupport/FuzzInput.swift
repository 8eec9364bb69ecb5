/// The program a fuzzer runs: bytes, taken from the front; beyond the end there are zeros.
public struct FuzzInput {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0

  /// Reads what libFuzzer lent for one execution.
  public init(_ data: UnsafePointer<UInt8>, _ count: Int) {
    bytes = UnsafeBufferPointer(start: data, count: count)
  }

  /// As many bytes as an input of its own, as far as there are any.
  public mutating func take(_ count: Int) -> FuzzInput {
    let end = min(position + count, bytes.count)
    let part = UnsafeBufferPointer(rebasing: bytes[min(position, end)..<end])
    position = max(position, end)
    return FuzzInput(part)
  }

  private init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  /// Whether everything was taken.
  public var isEmpty: Bool { position >= bytes.count }

  /// One byte.
  public mutating func byte() -> UInt8 {
    defer { position += 1 }
    return position < bytes.count ? bytes[position] : 0
  }

  /// A number below `limit`, at most 256, from one byte.
  public mutating func below(_ limit: Int) -> Int { Int(byte()) % limit }

  /// Sixteen bits.
  public mutating func word16() -> UInt16 { UInt16(byte()) | UInt16(byte()) << 8 }

  /// Sixty-four bits.
  public mutating func word64() -> UInt64 {
    var value: UInt64 = 0
    for _ in 0..<8 { value = value << 8 | UInt64(byte()) }
    return value
  }
}
