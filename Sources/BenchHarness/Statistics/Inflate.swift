/// Takes zlib streams apart: RFC 1950 around RFC 1951.
///
/// Bytes of a file are another party's: every length and distance is checked, and the result has a limit.
struct Inflate {
  private let bytes: [UInt8]
  private var offset: Int
  private var bits: UInt32 = 0
  private var bitCount = 0
  private var output: [UInt8] = []
  private let limit: Int

  /// The bytes in a stream; `nil` of anything else, and of more than `limit`.
  static func zlib(_ stream: [UInt8], limit: Int) -> [UInt8]? {
    // Deflate, and no dictionary.
    guard stream.count >= 6, stream[0] & 15 == 8, (Int(stream[0]) << 8 | Int(stream[1])) % 31 == 0, stream[1] & 32 == 0
    else { return nil }
    var inflate = Inflate(bytes: stream, limit: limit)
    guard inflate.blocks(), inflate.offset + 4 <= stream.count else { return nil }
    let sum = stream[inflate.offset..<(inflate.offset + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    return sum == adler(inflate.output) ? inflate.output : nil
  }

  /// The checksum that ends a stream.
  static func adler(_ bytes: [UInt8]) -> UInt32 {
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65_521
      b = (b + a) % 65_521
    }
    return b << 16 | a
  }

  private init(bytes: [UInt8], limit: Int) { (self.bytes, self.limit, offset) = (bytes, limit, 2) }

  private mutating func take(_ count: Int) -> Int? {
    while bitCount < count {
      guard offset < bytes.count else { return nil }
      bits |= UInt32(bytes[offset]) << UInt32(bitCount)
      offset += 1
      bitCount += 8
    }
    let value = bits & ((1 << UInt32(count)) - 1)
    bits >>= UInt32(count)
    bitCount -= count
    return Int(value)
  }

  private mutating func blocks() -> Bool {
    while true {
      guard let isLast = take(1), let kind = take(2) else { return false }
      let isGood =
        switch kind {
        case 0: stored()
        case 1: compressed(.fixedLengths, .fixedDistances)
        case 2: dynamic()
        default: false
        }
      guard isGood else { return false }
      if isLast == 1 {
        // Whole bytes that were fetched ahead belong to what follows.
        offset -= bitCount / 8
        return true
      }
    }
  }

  private mutating func stored() -> Bool {
    offset -= bitCount / 8
    (bits, bitCount) = (0, 0)
    guard offset + 4 <= bytes.count else { return false }
    let count = Int(bytes[offset]) | Int(bytes[offset + 1]) << 8
    let inverse = Int(bytes[offset + 2]) | Int(bytes[offset + 3]) << 8
    offset += 4
    guard count ^ inverse == 0xffff, offset + count <= bytes.count, output.count + count <= limit else { return false }
    output += bytes[offset..<(offset + count)]
    offset += count
    return true
  }

  private mutating func dynamic() -> Bool {
    guard let lengths = take(5), let distances = take(5), let codes = take(4) else { return false }
    var order = [Int](repeating: 0, count: 19)
    for number in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].prefix(codes + 4) {
      guard let bits = take(3) else { return false }
      order[number] = bits
    }
    guard let table = Code(order) else { return false }
    let total = lengths + 257 + distances + 1
    var found: [Int] = []
    while found.count < total {
      guard let symbol = symbol(table) else { return false }
      if symbol < 16 {
        found.append(symbol)
        continue
      }
      let (extra, base) = symbol == 16 ? (2, 3) : symbol == 17 ? (3, 3) : (7, 11)
      guard let more = take(extra), symbol != 16 || !found.isEmpty else { return false }
      found += [Int](repeating: symbol == 16 ? found[found.count - 1] : 0, count: base + more)
    }
    guard found.count == total, let length = Code(Array(found[..<(lengths + 257)])),
      let distance = Code(Array(found[(lengths + 257)...]))
    else { return false }
    return compressed(length, distance)
  }

  private static let lengthBase = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
  ]
  private static let lengthBits = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
  ]
  private static let distanceBase = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577,
  ]

  private mutating func compressed(_ lengths: Code, _ distances: Code) -> Bool {
    while true {
      guard let symbol = symbol(lengths) else { return false }
      if symbol == 256 { return true }
      guard symbol > 256 else {
        guard output.count < limit else { return false }
        output.append(UInt8(symbol))
        continue
      }
      let number = symbol - 257
      guard number < Self.lengthBase.count, let more = take(Self.lengthBits[number]), let far = self.symbol(distances),
        far < Self.distanceBase.count, let back = take(far < 2 ? 0 : far / 2 - 1)
      else { return false }
      let (count, distance) = (Self.lengthBase[number] + more, Self.distanceBase[far] + back)
      guard distance <= output.count, output.count + count <= limit else { return false }
      for _ in 0..<count { output.append(output[output.count - distance]) }
    }
  }

  private mutating func symbol(_ code: Code) -> Int? {
    var (word, first, index) = (0, 0, 0)
    for length in 1...15 {
      guard let bit = take(1) else { return nil }
      word |= bit
      let count = code.counts[length]
      if word - count < first { return code.symbols[index + word - first] }
      index += count
      first = (first + count) << 1
      word <<= 1
    }
    return nil
  }

  /// A canonical Huffman code: how many words of each length, and their symbols in order.
  private struct Code {
    var counts = [Int](repeating: 0, count: 16)
    var symbols: [Int] = []

    /// `nil` of lengths that are no code; one that leaves words unused is one.
    init?(_ lengths: [Int]) {
      for length in lengths where length > 0 { counts[length] += 1 }
      var left = 1
      for length in 1...15 {
        left = (left << 1) - counts[length]
        if left < 0 { return nil }
      }
      for length in 1...15 { symbols += lengths.indices.filter { lengths[$0] == length } }
    }

    private init(known lengths: [Int]) {
      for length in lengths { counts[length] += 1 }
      for length in 1...15 { symbols += lengths.indices.filter { lengths[$0] == length } }
    }

    static let fixedLengths = Code(
      known: [Int](repeating: 8, count: 144) + [Int](repeating: 9, count: 112) + [Int](repeating: 7, count: 24)
        + [Int](repeating: 8, count: 8))
    static let fixedDistances = Code(known: [Int](repeating: 5, count: 30))
  }
}
