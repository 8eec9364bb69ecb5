import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform

/// The counters that explain a row, in one short cell.
package enum CounterText {
  // In the order of the work; what is not here is in the JSON.
  private static let labels: [(event: WorkEvent, label: String)] = [
    (.maps, "map"), (.unmaps, "unmap"), (.mergedMaps, "merged"), (.pageTableWrites, "PTE"), (.invalidations, "inval"),
    (.exits, "exit"), (.systemCalls, "syscall"), (.iotlbMisses, "miss"), (.missMessages, "asked"),
    (.slotsSearched, "slot"), (.bytesCopiedIn, "B in"), (.bytesCopiedOut, "B out"), (.bounced, "bounced"),
    (.notifications, "notify"),
  ]

  /// Work per buffer; kinds that did not occur are left out.
  package static func text(_ counters: [String: Double]) -> String {
    labels.compactMap { event, label in
      guard let value = counters[event.rawValue], value >= 0.0005 else { return nil }
      return "\(figure(value)) \(label)"
    }.joined(separator: ", ")
  }

  private static func figure(_ value: Double) -> String {
    if value == value.rounded() { return NumberText.fixed(value, 0) }
    return value < 0.1 ? NumberText.fixed(value, 3) : NumberText.fixed(value, value < 100 ? 2 : 0)
  }
}
