/// Sizes as people write them: `1500`, `4k`, `64KiB`, `2m`; every suffix is a power of two.
package enum ByteCount {
  private static let units: [(suffixes: [String], factor: Int)] = [
    (["b"], 1), (["k", "kb", "kib"], 1 << 10), (["m", "mb", "mib"], 1 << 20),
  ]

  package static func parse(_ text: String) throws(BenchError) -> Int {
    let digits = text.prefix { ("0"..."9").contains($0) }
    let suffix = text.dropFirst(digits.count).lowercased()
    let factor = suffix.isEmpty ? 1 : units.first { $0.suffixes.contains(suffix) }?.factor
    guard let number = Int(digits), let factor else {
      throw .usage("'\(text)' is not a size; write bytes, or a number with k, KiB, m or MiB")
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
    guard !overflow else { throw .usage("'\(text)' is beyond any size this machine could hold") }
    return bytes
  }
}
