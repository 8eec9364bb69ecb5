import BenchDocument
import RingKit

/// Two sides of guests, row by row: instructions a request, which repeat, and not times.
package struct GuestComparison: Codable, Equatable, Sendable {
  package enum Verdict: String, Codable, CaseIterable, Sendable {
    case more
    case fewer
    /// Within the threshold, or boots of both sides overlap.
    case same = "~"
  }

  package struct Row: Codable, Equatable, Sendable {
    package let name: String
    /// `write`, `read` or `exchange`.
    package let operation: String
    /// Instructions of the guest's kernel, a request: medians of a side's runs, and the extremes of their boots.
    let instructionsOfA: Estimate
    let instructionsOfB: Estimate
    /// B's by A's.
    let ratio: Double
    let verdict: Verdict
  }

  var schema = ResultDocument.schemaNumber
  var sideA: [String]
  var sideB: [String]
  /// Relative; as asked for.
  var threshold: Double
  var rows: [Row]

  /// - Throws: ``BenchError`` when no row was counted on both sides, or the runs are not about the same thing.
  package init(_ a: ComparedSide, _ b: ComparedSide, threshold: Double) throws(BenchError) {
    (sideA, sideB, self.threshold) = (a.names, b.names, threshold)
    rows = []
    guard let first = a.runs.first else { throw .usage("there is nothing to compare with") }
    for (name, run) in zip(a.names + b.names, a.runs + b.runs).dropFirst() {
      if let difference = ComparedParameters.difference(first, run) {
        throw .machine("\(a.names[0]) and \(name) cannot be compared: \(difference)")
      }
    }
    var seen: Set<Key> = []
    for row in a.runs.flatMap(\.results) where row.kind == .guest && seen.insert(Key(row)).inserted {
      for operation in GuestDevice.allCases.flatMap(\.operations) {
        guard let own = Self.instructions(Key(row), operation, a),
          let other = Self.instructions(Key(row), operation, b),
          own.median > 0
        else { continue }
        let ratio = other.median / own.median
        let isApart = other.low > own.high || other.high < own.low
        let verdict: Verdict = !isApart || abs(ratio - 1) <= threshold ? .same : ratio > 1 ? .more : .fewer
        rows.append(
          Row(
            name: Key(row).name, operation: operation, instructionsOfA: own, instructionsOfB: other,
            ratio: Rounded.value(ratio, digits: 5), verdict: verdict))
      }
    }
    guard !rows.isEmpty else {
      throw .check("no row has instructions on both sides; compare runs of guest under software emulation")
    }
  }

  package func rows(_ verdict: Verdict) -> [Row] { rows.filter { $0.verdict == verdict } }

  /// What a row is about.
  private struct Key: Hashable {
    let device: String
    let ring: RingLayout?
    let setting: String
    let kernel: String
    let bytes: Int?
    let depth: Int?

    init(_ row: ResultRow) {
      (ring, bytes, depth) = (row.ring, row.bytes, row.depth)
      (setting, kernel) = (row.labels["setting"] ?? "", row.labels["guestKernel"] ?? "")
      // Older results know the disk alone.
      device = row.labels["guestDevice"] ?? GuestDevice.blk.name
    }

    var name: String {
      [
        device == GuestDevice.blk.name ? nil : device, setting, ring?.name, bytes.map { NumberText.bytes($0) },
        depth.map { "\($0) outstanding" },
      ]
      .compactMap { $0 }.joined(separator: ", ")
    }
  }

  /// Of all runs of a side: the median of medians, and the extremes.
  private static func instructions(_ key: Key, _ operation: String, _ side: ComparedSide) -> Estimate? {
    let figures = side.runs.compactMap { run in
      run.results.first { $0.kind == .guest && Key($0) == key }?.figure("\(operation)KernelInstructions")
    }
    guard let median = Percentile.median(figures.map(\.value)),
      let low = figures.map({ $0.low ?? $0.value }).min(), let high = figures.map({ $0.high ?? $0.value }).max()
    else { return nil }
    return Estimate(median: median, low: low, high: high)
  }
}

/// The comparison for people.
extension GuestComparison {
  /// With `isFull` also the rows that do not differ.
  package func text(isFull: Bool = false, width: Int = TextWidth.standard) -> String {
    let shown = rows.filter { isFull || $0.verdict != .same }
    let cells = shown.map { row in
      [
        row.name, row.operation, row.verdict.rawValue, fixed((row.ratio - 1) * 100, 2) + " %",
        grouped(Int(row.instructionsOfA.median.rounded())), grouped(Int(row.instructionsOfB.median.rounded())),
      ]
    }
    let largest = rows.map { abs($0.ratio - 1) }.max() ?? 0
    let text =
      "A: \(sideA.joined(separator: ", "))\nB: \(sideB.joined(separator: ", "))\n"
      + TextTable.text(
        "row||verdict|>B by A|>A|>B", cells, title: "kernel instructions a request", keys: 2, width: width)
      + "\nOf \(rows.count) rows \(rows(.more).count) more, \(rows(.fewer).count) fewer, "
      + "\(rows(.same).count) the same (~) within \(fixed(threshold * 100, 1)) %; the largest difference is "
      + "\(fixed(largest * 100, 2)) %.\n"
    return TextWidth.fit(text, width)
  }
}
