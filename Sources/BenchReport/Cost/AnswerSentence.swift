import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// The finding in one sentence, computed from the rows alone.
package enum AnswerSentence {
  package static let nothing = "Nothing was measured: no slice was kept."

  package static func text(for report: CostReport, in placement: PlacementClass) -> String {
    let rows = report.rows.filter { $0.placement == placement }
    guard !rows.isEmpty else { return "No slice was kept in class \(placement.name)." }
    let parts = DMAPath.allCases.filter { $0 != .direct }.flatMap { path in
      let price = report.parameters.iommu.price(of: path).map { " (\($0))" } ?? ""
      return [false, true].compactMap { isolated in
        part(
          path.name + price + (isolated ? " (isolated)" : ""),
          rows.filter { $0.path == path && $0.isolated == isolated }.compactMap { $0.ratioToDirect?.median })
      }
    }
    guard !parts.isEmpty else { return directAlone(rows, placement) }
    return "On \(scope(rows, placement)): \(joined(parts))."
  }

  // A handful of percent says more than a factor of 1.0; a saving is said as one.
  private static func part(_ name: String, _ ratios: [Double]) -> String? {
    guard let low = ratios.min(), let high = ratios.max() else { return nil }
    if low > 0.95, high < 1.05 {
      let most = max(abs(low - 1), abs(high - 1))
      return "\(name) is within \(max(1, Int((most * 100 - 0.01).rounded(.up)))) % of direct"
    }
    let from = NumberText.fixed(low, 1)
    let to = NumberText.fixed(high, 1)
    return "\(name) costs \(from == to ? from : "\(from) to \(to)") times direct"
  }

  private static func directAlone(_ rows: [CostRow], _ placement: PlacementClass) -> String {
    let direct = rows.filter { $0.path == .direct }.map(\.nanosecondsPerBuffer.median)
    guard let low = direct.min(), let high = direct.max() else { return nothing }
    let from = NumberText.short(low)
    let to = NumberText.short(high)
    return "On \(scope(rows, placement)): direct costs \(from == to ? from : "\(from) to \(to)") ns a buffer."
  }

  private static func scope(_ rows: [CostRow], _ placement: PlacementClass) -> String {
    let rings = RingLayout.allCases.filter { ring in rows.contains { $0.ring == ring } }.map(\.name)
    let sizes = Set(rows.map(\.bytes)).sorted().map { NumberText.grouped($0) }
    let directions = DMADirection.allCases.filter { way in rows.contains { $0.direction == way } }
    let kind = directions.count == 1 ? "\(directions[0].name) " : ""
    return
      "the \(joined(rings)) \(rings.count == 1 ? "ring" : "rings"), \(joined(sizes))-byte \(kind)buffers, class \(placement.name)"
  }

  private static func joined(_ parts: [String]) -> String {
    guard let last = parts.last, parts.count > 1 else { return parts.first ?? "" }
    return parts.dropLast().joined(separator: ", ") + " and " + last
  }
}
