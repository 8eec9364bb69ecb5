import BenchPlan
import RingKit

/// What a `cost` run answers: how much a forced IOMMU costs, by direct and by bouncing.
package enum Answer {
  static let nothing = "Nothing was measured: no slice was kept."
  /// What is compared: two prices of a forced IOMMU, and what stands in for one.
  private static let compared: [DMAPath] = [.iommuStrict, .iommuLazy, .swiotlb]

  /// At most 30 words, of the class with most slices or of `placement`.
  static func sentence(_ document: ResultDocument, in placement: PlacementClass? = nil) -> String {
    guard let placement = placement ?? document.mainClass else { return nothing }
    let rows = document.rows(in: placement)
    func times(_ path: DMAPath, _ ratio: (ResultRow) -> Estimate?) -> String? {
      range(rows.filter { $0.path == path && $0.isolated != true }.compactMap { ratio($0)?.median })
    }
    let strict = times(.iommuStrict, \.ratioToDirect)
    let lazy = times(.iommuLazy, \.ratioToDirect)
    let bounced = times(.iommuStrict, \.ratioToSwiotlb) ?? times(.iommuLazy, \.ratioToSwiotlb)
    guard let first = strict ?? lazy else { return others(rows, placement) }
    var text = "A forced IOMMU costs \(first) times direct\(strict == nil ? " (lazy)" : "")"
    if strict != nil, let lazy { text += " (lazy: \(lazy))" }
    if let bounced { return text + " and \(bounced) times swiotlb." }
    return text + "; swiotlb was not measured beside it."
  }

  /// Without a forced IOMMU: the paths that were measured, as many as fit.
  private static func others(_ rows: [ResultRow], _ placement: PlacementClass) -> String {
    var parts: [String] = []
    for path in DMAPath.allCases where path != .direct && parts.count < 3 {
      guard let times = range(rows.filter { $0.path == path }.compactMap { $0.ratioToDirect?.median }) else { continue }
      parts.append("\(path.name) costs \(times) times direct")
    }
    if parts.isEmpty {
      let times = range(rows.compactMap { $0.nsPerBuffer?.median }, NumberText.short)
      return times.map { "A buffer takes \($0) ns; nothing was compared with direct." }
        ?? "No slice was kept in class \(placement.name)."
    }
    return joined(parts) + "."
  }

  /// At most twelve cells with their titles: a forced IOMMU and bouncing, × direct, for each ring.
  static func table(_ document: ResultDocument, in placement: PlacementClass, width: Int) -> String {
    let rows = document.rows(in: placement).filter { $0.isolated != true }
    let rings = RingLayout.allCases.filter { ring in rows.contains { $0.ring == ring } }
    var paths = compared.filter { path in rows.contains { $0.path == path && $0.ratioToDirect != nil } }
    if paths.isEmpty {
      paths = Array(DMAPath.allCases.filter { path in path != .direct && rows.contains { $0.path == path } }.prefix(3))
    }
    let lines = paths.map { path in
      [path.name]
        + rings.map { ring in
          let own = rows.filter { $0.path == path && $0.ring == ring }.compactMap(\.ratioToDirect)
          // Of one combination with its interval; of several from the lowest to the highest.
          return own.count == 1 ? Ratio.text(own[0]) : range(own.map(\.median), Ratio.digits) ?? "-"
        }
    }
    return TextTable.text("× direct" + rings.map { "|>\($0.name)" }.joined(), lines, width: width)
  }

  private static func range(
    _ values: [Double], _ text: (Double) -> String = { NumberText.fixed($0, 1) }
  ) -> String? {
    guard let low = values.min(), let high = values.max() else { return nil }
    return text(low) == text(high) ? text(low) : "\(text(low)) to \(text(high))"
  }

  private static func joined(_ parts: [String]) -> String {
    guard let last = parts.last, parts.count > 1 else { return parts.first ?? "" }
    return parts.dropLast().joined(separator: ", ") + " and " + last
  }

  /// A path as tables name it.
  package static func name(_ path: DMAPath, _ price: String?, isolated: Bool) -> String {
    path.name + (price.map { " (\($0))" } ?? "") + (isolated ? " (isolated)" : "")
  }
}

/// A ratio of times, as every table has it: `2.94 (2.90-2.98)`.
package enum Ratio {
  package static func digits(_ value: Double) -> String { NumberText.fixed(value, value < 99.5 ? 2 : 0) }

  package static func text(_ ratio: Estimate?) -> String {
    guard let ratio else { return "-" }
    guard ratio.low != ratio.high else { return digits(ratio.median) }
    return "\(digits(ratio.median)) (\(digits(ratio.low))-\(digits(ratio.high)))"
  }
}

extension ResultDocument {
  /// The rows of measured paths in a class.
  func rows(in placement: PlacementClass) -> [ResultRow] {
    results.filter { $0.kind == .path && $0.placement?.class == placement }
  }
}

/// Work per buffer in short words.
package enum CounterText {
  // In the order of the work; what is not here is in the JSON.
  private static let labels: [(event: WorkEvent, label: String)] = [
    (.maps, "map"), (.unmaps, "unmap"), (.mergedMaps, "merged"), (.pageTableWrites, "PTE"), (.invalidations, "inval"),
    (.exits, "exit"), (.systemCalls, "syscall"), (.iotlbMisses, "miss"), (.missMessages, "asked"),
    (.slotsSearched, "slot"), (.bytesCopiedIn, "B in"), (.bytesCopiedOut, "B out"), (.bounced, "bounced"),
    (.notifications, "notify"),
  ]

  /// What the words mean, for a legend.
  static let legend =
    "merged: maps that joined one there was; PTE: page table entries written; inval: invalidations; exit: exits to the "
    + "hypervisor; miss: IOTLB misses; asked: misses that another process answered; slot: pool slots looked at; B "
    + "in, B "
    + "out: bytes copied to and from the pool or shadow buffer; notify: notifications"

  /// Kinds that did not occur are left out.
  package static func text(_ counters: [String: Double]) -> String {
    labels.compactMap { event, label in
      guard let value = counters[event.rawValue], value >= 0.0005 else { return nil }
      let digits = value == value.rounded() ? 0 : value < 0.1 ? 3 : value < 100 ? 2 : 0
      return "\(fixed(value, digits)) \(label)"
    }.joined(separator: ", ")
  }
}
