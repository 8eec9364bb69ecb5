import FoundationEssentials
import Glibc

/// What a histogram in HdrHistogram's V2 compressed form holds: values and how often each came.
package struct HistogramBuckets: Equatable, Sendable {
  /// Ascending; the highest value that is equivalent, as percentiles are told.
  let values: [Double]
  let counts: [Int]
  package let total: Int

  /// Larger ones than any that ringbench writes.
  private static let limit = 8 << 20

  /// `nil` of what is no such histogram, and of one that is packed: ringbench only stores.
  init?(compressed text: String) {
    guard let data = Data(base64Encoded: text) else { return nil }
    let bytes = [UInt8](data)
    guard bytes.count > 8, Self.number(bytes, 0, 4) == 0x1c84_9314, let length = Int(exactly: Self.number(bytes, 4, 4)),
      length <= bytes.count - 8, let plain = StoredZlib.bytes(of: bytes[8..<(8 + length)], limit: Self.limit)
    else { return nil }
    self.init(encoded: plain)
  }

  /// From the form within the compression.
  init?(encoded bytes: [UInt8]) {
    guard bytes.count >= 40, Self.number(bytes, 0, 4) == 0x1c84_9313,
      let length = Int(exactly: Self.number(bytes, 4, 4)), length == bytes.count - 40,
      let digits = Int(exactly: Self.number(bytes, 12, 4)), (1...5).contains(digits)
    else { return nil }
    let lowest = Self.number(bytes, 16, 8)
    guard lowest >= 1, lowest < 1 << 62 else { return nil }
    let layout = Layout(lowest: lowest, digits: digits)
    var (values, counts): ([Double], [Int]) = ([], [])
    var (offset, index, total) = (40, 0, 0)
    while offset < bytes.count {
      guard let (word, next) = Self.zigZag(bytes, offset) else { return nil }
      offset = next
      // A negative number is as many empty buckets.
      if word < 0 {
        guard word > -(1 << 32) else { return nil }
        index += Int(-word)
      } else {
        if word > 0 {
          guard let value = layout.highestEquivalent(index), let count = Int(exactly: word) else { return nil }
          let (sum, overflow) = total.addingReportingOverflow(count)
          guard !overflow else { return nil }
          total = sum
          values.append(Double(value))
          counts.append(count)
        }
        index += 1
      }
    }
    (self.values, self.counts, self.total) = (values, counts, total)
  }

  /// Values and how often each came, in whatever order: three digits of each are kept.
  init(_ values: [(value: Double, count: Int)]) {
    let layout = Layout(lowest: 1, digits: Self.digits)
    var buckets: [Int: Int] = [:]
    for (value, count) in values where value.isFinite && count > 0 {
      buckets[layout.index(UInt64(min(max(value.rounded(), 1), Self.highest))), default: 0] += count
    }
    let indices = buckets.keys.sorted()
    self.values = indices.map { Double(layout.highestEquivalent($0) ?? 0) }
    counts = indices.map { buckets[$0] ?? 0 }
    total = counts.reduce(0, +)
  }

  private static let digits = 3
  private static let highest = Double(1 << 40)

  /// In HdrHistogram's V2 compressed form, as Base64 has it.
  var compressed: String {
    let layout = Layout(lowest: 1, digits: Self.digits)
    var payload: [UInt8] = []
    var next = 0
    for (value, count) in zip(values, counts) {
      let index = layout.index(UInt64(value))
      if index > next { payload += Self.zigZag(-Int64(index - next)) }
      payload += Self.zigZag(Int64(count))
      next = index + 1
    }
    var plain = Self.bytes(0x1c84_9313, 4) + Self.bytes(UInt64(payload.count), 4) + Self.bytes(0, 4)
    plain += Self.bytes(UInt64(Self.digits), 4) + Self.bytes(1, 8) + Self.bytes(UInt64(Self.highest), 8)
    plain += Self.bytes(1.0.bitPattern, 8) + payload
    let stream = StoredZlib.stream(of: plain)
    return Data(Self.bytes(0x1c84_9314, 4) + Self.bytes(UInt64(stream.count), 4) + stream).base64EncodedString()
  }

  private static func bytes(_ number: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (count - 1 - $0))) }
  }

  private static func zigZag(_ number: Int64) -> [UInt8] {
    var word = UInt64(bitPattern: number << 1 ^ number >> 63)
    var bytes: [UInt8] = []
    while word > 127, bytes.count < 8 {
      bytes.append(UInt8(word & 127) | 128)
      word >>= 7
    }
    return bytes + [UInt8(truncatingIfNeeded: word)]
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
    bytes[offset..<(offset + count)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
  }

  /// LEB128 of at most nine bytes, of which the last has eight bits.
  private static func zigZag(_ bytes: [UInt8], _ start: Int) -> (Int64, next: Int)? {
    var (word, offset): (UInt64, Int) = (0, start)
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard offset < bytes.count else { return nil }
      let byte = UInt64(bytes[offset])
      offset += 1
      if shift == 56 {
        word |= byte << 56
        break
      }
      word |= (byte & 127) << shift
      if byte & 128 == 0 { break }
    }
    return (Int64(bitPattern: word >> 1) ^ -Int64(bitPattern: word & 1), offset)
  }

  /// Which values a bucket has.
  private struct Layout {
    private let unitMagnitude: Int
    private let halfMagnitude: Int

    init(lowest: UInt64, digits: Int) {
      unitMagnitude = 63 - lowest.leadingZeroBitCount
      let largest = 2 * pow(10, Double(digits))
      halfMagnitude = max(Int(ceil(log2(largest))), 1) - 1
    }

    func index(_ value: UInt64) -> Int {
      let bucket = max(0, 63 - (value | 1).leadingZeroBitCount - halfMagnitude - unitMagnitude)
      let sub = Int(value >> UInt64(bucket + unitMagnitude))
      return ((bucket + 1) << halfMagnitude) + sub - (1 << halfMagnitude)
    }

    func highestEquivalent(_ index: Int) -> UInt64? {
      var bucket = (index >> halfMagnitude) - 1
      var sub = (index & ((1 << halfMagnitude) - 1)) + (1 << halfMagnitude)
      if bucket < 0 {
        sub -= 1 << halfMagnitude
        bucket = 0
      }
      let shift = bucket + unitMagnitude
      guard shift + halfMagnitude + 1 < 63 else { return nil }
      return ((UInt64(sub) + 1) << UInt64(shift)) - 1
    }
  }
}

extension HistogramBuckets {
  /// The least values that so large shares, 0 to 1 and ascending, lie at or below.
  package func values(at shares: [Double]) -> [Double] { ranks(shares).map { values[$0.bucket] } }

  /// The bucket of each share, and how many lie in it and below; nothing of an empty histogram.
  private func ranks(_ shares: [Double]) -> [(bucket: Int, sum: Int)] {
    guard var sum = counts.first else { return [] }
    var bucket = 0
    return shares.map { share in
      while Double(sum) < share * Double(total), bucket + 1 < counts.count {
        bucket += 1
        sum += counts[bucket]
      }
      return (bucket, sum)
    }
  }

  /// Shares at which percentiles are told, denser towards 1: so many in each half of what is left.
  package func shares(_ perHalf: Int = 5) -> [Double] {
    var shares: [Double] = []
    var percent = 0.0
    while percent < 100, (1 - percent / 100) * Double(total) >= 1, shares.count < 1_000 {
      shares.append(percent / 100)
      let half = pow(2, floor(log2(100 / (100 - percent))) + 1)
      percent += 100 / (Double(perHalf) * half)
    }
    return shares
  }

  /// The text that HdrHistogram's plotter reads.
  package var percentileText: String {
    guard total > 0 else { return "" }
    var text = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
    func line(_ value: Double, _ share: Double, _ count: Int) {
      text += padded(decimal(value, 3), 12) + " " + padded(decimal(share, 12), 14) + " " + padded("\(count)", 10)
      text += share < 1 ? " " + padded(decimal(1 / (1 - share), 2), 14) + "\n" : "\n"
    }
    let shares = shares()
    for (share, rank) in zip(shares, ranks(shares)) { line(values[rank.bucket], share, rank.sum) }
    line(values[values.count - 1], 1, total)
    let mean = zip(values, counts).reduce(0) { $0 + $1.0 * Double($1.1) } / Double(total)
    let square = zip(values, counts).reduce(0) { $0 + ($1.0 - mean) * ($1.0 - mean) * Double($1.1) } / Double(total)
    text +=
      "#[Mean    = \(padded(decimal(mean, 3), 12)), StdDeviation   = \(padded(decimal(square.squareRoot(), 3), 12))]\n"
    text += "#[Max     = \(padded(decimal(values[values.count - 1], 3), 12)),"
    text += " Total count    = \(padded("\(total)", 12))]\n"
    return text
  }

  /// Without groups of three digits.
  private func decimal(_ number: Double, _ digits: Int) -> String {
    NumberText.fixed(number, digits).filter { $0 != "," }
  }

  private func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
