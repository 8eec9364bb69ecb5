/// A vring's index and a number that belongs to it: its size, its position, or whether it is enabled.
public struct VringState: Hashable, Sendable {
  /// Which vring.
  public var index: UInt32
  /// The number.
  public var value: UInt32

  /// Bytes of the payload.
  public static let byteCount = 8

  /// A state of the vring at `index`.
  public init(index: UInt32, value: UInt32) {
    self.index = index
    self.value = value
  }

  init(_ reader: inout PayloadReader) {
    index = reader.number()
    value = reader.number()
  }

  /// The payload.
  public var payload: [UInt8] {
    var writer = PayloadWriter()
    writer.append(index)
    writer.append(value)
    return writer.bytes
  }
}
