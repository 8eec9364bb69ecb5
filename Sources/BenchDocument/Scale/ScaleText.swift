import BenchPlan
import RingKit

/// Growth for people: a table for each axis, below it what became of each path.
extension ResultDocument {
  func scaleText(_ view: TextView) -> String {
    guard let placement = view.shownClass ?? mainClass else { return nothingText(view) }
    let rows = results.filter { $0.kind == .scale && $0.placement?.class == placement }
    var text = headText + placementText(rows, placement)
    if let row = rows.first {
      text += "\(row.direction?.name ?? ""), \(grouped(row.bytes ?? 0)) bytes, written and checked in full\n"
    }
    for axis in ScaleAxis.allCases {
      for ring in RingLayout.allCases {
        text += axisText(rows.filter { $0.scaleAxis == axis && $0.ring == ring }, axis, ring, placement, view)
      }
      if axis == .queues { text += predictionsText(view) }
    }
    text += "\n"
    text += Paragraph.text(
      "ns a buffer. ×: the last by the first in the same round, with its 95 % interval. flat: it touches 0.91 to 1.1. "
        + "Counts are work of a buffer.", width: view.width)
    text += endText(placement, view)
    return text + Paragraph.text(scaleAnswer(placement), width: view.width)
  }

  private func axisText(
    _ rows: [ResultRow], _ axis: ScaleAxis, _ ring: RingLayout, _ placement: PlacementClass, _ view: TextView
  ) -> String {
    guard !rows.isEmpty else { return "" }
    let values = ascending(rows.compactMap(\.scaleValue))
    let paths = DMAPath.allCases.filter { path in rows.contains { $0.path == path } }
    let cells = paths.map { path in
      [path.name]
        + values.map { value in
          short(rows.first { $0.path == path && $0.scaleValue == value }?.nsPerBuffer?.median)
        }
    }
    let titles = "path" + values.map { "|>\(axis.text($0))" }.joined()
    var text = TextTable.text(titles, cells, title: "\(ring.name): \(Self.title(axis, rows))", width: view.width)
    for path in paths {
      guard let row = growth(path, axis, ring, placement), let ratio = row.figure("lastByFirst") else { continue }
      let range = "\(Ratio.digits(ratio.value)) (\(Ratio.digits(ratio.low ?? 0))-\(Ratio.digits(ratio.high ?? 0)))"
      text += Paragraph.text(
        "× \(range) \(row.note ?? "")", first: "  \(path.name): ", width: view.width)
    }
    return text
  }

  private static func title(_ axis: ScaleAxis, _ rows: [ResultRow]) -> String {
    let depth = rows.first?.depth ?? 0
    switch axis {
    case .queueSize: return "descriptors of the ring, \(depth) buffers outstanding"
    case .mappings: return "buffers outstanding, in the largest ring that needs"
    case .queues:
      let threads = rows.compactMap { $0.figure("threads")?.value }.max() ?? 2
      return "queues over one pool or domain, "
        + (threads > 2 ? "with own threads where CPUs suffice" : "in turns on 2 CPUs")
    case .memory: return "guest memory that \(depth) buffers lie in (sparse)"
    }
  }

  private func predictionsText(_ view: TextView) -> String {
    let rows = results.filter { $0.kind == .prediction }
    guard !rows.isEmpty else { return "" }
    let values = ascending(rows.compactMap(\.scaleValue))
    let cells = DMAPath.allCases.compactMap { path -> [String]? in
      let own = rows.filter { $0.path == path }
      guard let last = own.last else { return nil }
      let waits = (last.figure("lockWaitShare")?.value ?? 0) + (last.figure("unitWaitShare")?.value ?? 0)
      return [path.name]
        + values.map { value in
          own.first { $0.scaleValue == value }?.figure("ratioToFirst").map { Ratio.digits($0.value) } ?? "-"
        } + [fixed(waits * 100, 0)]
    }
    return TextTable.text(
      "path" + values.map { "|>\(grouped($0))" }.joined() + "|>waits %", cells,
      title: "SIMULATED: as many CPUs as queues, × one of them", width: view.width)
  }

  private func growth(
    _ path: DMAPath, _ axis: ScaleAxis, _ ring: RingLayout, _ placement: PlacementClass
  ) -> ResultRow? {
    results.first {
      $0.kind == .growth && $0.path == path && $0.scaleAxis == axis && $0.ring == ring
        && $0.placement?.class == placement
    }
  }

  /// Which paths are flat along which axes, and the one that grows most.
  func scaleAnswer(_ placement: PlacementClass) -> String {
    let rows = results.filter { $0.kind == .growth && $0.placement?.class == placement }
    guard !rows.isEmpty else { return "No axis was measured from its first value to its last." }
    let flat = rows.count { $0.note == ScaleGrowth.flat }
    var text = "\(flat) of \(rows.count) are flat"
    let most = rows.filter { $0.note?.hasPrefix("grows") == true }.max {
      $0.figure("lastByFirst")?.value ?? 0 < $1.figure("lastByFirst")?.value ?? 0
    }
    if let most, let ratio = most.figure("lastByFirst") {
      text += "; \(most.path?.name ?? "") grows most, × \(Ratio.digits(ratio.value)) over \(most.labels["axis"] ?? "")"
    }
    return text + "."
  }
}
