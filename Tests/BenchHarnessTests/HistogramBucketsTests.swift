import Testing

@testable import BenchHarness

@Suite struct HistogramBucketsTests {
  private static let samples: [(value: Double, count: Int)] =
    [(1, 3), (2, 1), (1_023, 5), (1_024, 1), (2_047, 2), (2_048, 7), (2_049, 1), (123_456, 1), (1e12, 2), (7.4, 4)]

  @Test func whatIsEncodedIsDecoded() throws {
    let buckets = HistogramBuckets(Self.samples)
    #expect(buckets.total == 27 && buckets.values.first == 1)
    #expect(buckets.values.contains(7) && buckets.values.contains(2_049) && buckets.values.contains(123_519))
    #expect(try #require(HistogramBuckets(compressed: buckets.compressed)) == buckets)
  }

  /// HdrHistogram's own, by Python's hdrhistogram: 1, 100 twice, and 5,000, stored by zlib.
  @Test func whatOthersEncodedIsDecoded() throws {
    let foreign =
      "HISTFAAAADt4AQEwAM//HISTEwAAAAgAAAAAAAAAAwAAAAAAAAABAAAABAAA"
      + "AAA/8AAAAAAAAAECwwEE+TECV5EEfQ=="
    let buckets = try #require(HistogramBuckets(compressed: foreign))
    #expect(buckets.values == [1, 100, 5_003] && buckets.counts == [1, 2, 1] && buckets.total == 4)
  }

  /// The same, packed.
  @Test func whatIsPackedIsRefused() {
    #expect(HistogramBuckets(compressed: "HISTFAAAACV4nJNpmSzMwMDAwQABzFCaEYhZQAz7D1ABpsOMLD8NmQBXkQR9") == nil)
  }

  @Test func whatIsDamagedIsRefused() {
    let good = HistogramBuckets(Self.samples).compressed
    var letters = Array(good)
    for index in letters.indices {
      let kept = letters[index]
      letters[index] = kept == "A" ? "B" : "A"
      if let read = HistogramBuckets(compressed: String(letters)) {
        // Some bits of the header have no meaning for values.
        #expect(read.total >= 0)
      }
      letters[index] = kept
    }
    for count in 0..<letters.count { _ = HistogramBuckets(compressed: String(letters[..<count])) }
    #expect(HistogramBuckets(compressed: "") == nil && HistogramBuckets(compressed: "!") == nil)
  }

  @Test func percentilesHaveTheFormOfThePlotter() throws {
    let lines = HistogramBuckets([(100, 90), (200, 9), (300, 1)]).percentileText.split(
      separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "       Value     Percentile TotalCount 1/(1-Percentile)" && lines[1].isEmpty)
    #expect(lines[2] == "     100.000 0.000000000000         90           1.00")
    let last = try #require(lines.last { !$0.hasPrefix("#") && !$0.isEmpty })
    #expect(last == "     300.000 1.000000000000        100")
    #expect(lines.contains { $0.hasPrefix("#[Mean    =      111.000,") })
    #expect(lines.contains { $0.hasSuffix("Total count    =          100]") })
  }
}
