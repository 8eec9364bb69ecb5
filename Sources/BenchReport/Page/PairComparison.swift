import BenchHarness
import BenchPaths

/// What `compare` says of two results, as a picture and a table show it.
enum PairComparison {
  private static let threshold = 0.03

  /// The rows that both have, or why there are none; nothing unless there are two results.
  static func rows(_ results: [NamedResult]) -> (rows: [ForestRow], incomparable: String?) {
    guard results.count == 2 else { return ([], nil) }
    let sides = results.map { ComparedSide([(name: $0.name, document: $0.document)]) }
    let comparison: Comparison
    do throws(BenchError) {
      comparison = try Comparer(sides[0], sides[1], threshold: threshold).compare()
    } catch {
      return ([], error.message)
    }
    let known = results[1].document.results + results[0].document.results
    var rows: [ForestRow] = []
    for compared in comparison.rows {
      guard let ratio = compared.relativeRatio ?? compared.timeRatio, ratio.low > 0, compared.nsOfA != nil,
        compared.nsOfB != nil, let row = known.first(where: { isSame(compared, $0) })
      else { continue }
      rows.append(ForestRow(row: row, ratio: ratio, verdict: compared.verdict, reason: compared.reason))
    }
    return (rows, nil)
  }

  private static func isSame(_ compared: Comparison.Row, _ row: ResultRow) -> Bool {
    row.nsPerBuffer != nil && row.placement?.class == compared.placement && row.path == compared.path
      && row.ring == compared.ring && row.direction == compared.direction && row.bytes == compared.bytes
      && row.labels == compared.labels && (row.isolated ?? false) == (compared.isolated ?? false)
  }
}
