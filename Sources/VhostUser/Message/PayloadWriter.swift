/// Puts a payload together: numbers in the machine's byte order, one behind the other.
struct PayloadWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(_ value: Number) {
    // SAFETY: the bytes of a local value, copied.
    unsafe withUnsafeBytes(of: value) { unsafe bytes.append(contentsOf: $0) }
  }

  mutating func append(_ more: [UInt8]) { bytes += more }

  mutating func pad(_ count: Int) { bytes += [UInt8](repeating: 0, count: count) }
}
