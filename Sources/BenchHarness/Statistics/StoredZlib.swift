/// Zlib streams whose blocks are stored, not packed: RFC 1950 around RFC 1951, for a few kilobytes.
enum StoredZlib {
  /// The stream of some bytes.
  static func stream(of bytes: [UInt8]) -> [UInt8] {
    var stream: [UInt8] = [0x78, 0x01]
    var rest = bytes[...]
    repeat {
      let block = rest.prefix(0xffff)
      rest = rest.dropFirst(0xffff)
      let (low, high) = (UInt8(block.count & 0xff), UInt8(block.count >> 8))
      stream += [rest.isEmpty ? 1 : 0, low, high, ~low, ~high]
      stream += block
    } while !rest.isEmpty
    let sum = adler(bytes)
    return stream + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) }
  }

  /// The bytes in a stream; `nil` of anything else, of packed blocks, and of more than `limit`.
  ///
  /// Bytes of a file are another party's: every length is checked.
  static func bytes(of stream: ArraySlice<UInt8>, limit: Int) -> [UInt8]? {
    let bytes = Array(stream)
    // Deflate, and no dictionary.
    guard bytes.count >= 6, bytes[0] & 15 == 8, (Int(bytes[0]) << 8 | Int(bytes[1])) % 31 == 0, bytes[1] & 32 == 0
    else { return nil }
    var output: [UInt8] = []
    var offset = 2
    var isLast = false
    while !isLast {
      // The five bits behind the kind, 0, are filled up and mean nothing.
      guard offset + 5 <= bytes.count, bytes[offset] & 6 == 0 else { return nil }
      isLast = bytes[offset] & 1 == 1
      let count = Int(bytes[offset + 1]) | Int(bytes[offset + 2]) << 8
      let inverse = Int(bytes[offset + 3]) | Int(bytes[offset + 4]) << 8
      offset += 5
      guard count ^ inverse == 0xffff, offset + count <= bytes.count, output.count + count <= limit else { return nil }
      output += bytes[offset..<(offset + count)]
      offset += count
    }
    guard offset + 4 <= bytes.count else { return nil }
    let sum = bytes[offset..<(offset + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    return sum == adler(output) ? output : nil
  }

  /// The checksum that ends a stream.
  private static func adler(_ bytes: [UInt8]) -> UInt32 {
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65_521
      b = (b + a) % 65_521
    }
    return b << 16 | a
  }
}
