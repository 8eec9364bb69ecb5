import BenchHarness
import BenchPaths
import FoundationEssentials

/// What our device did for a guest, as `ringbench device` reports it when the front-end has gone.
package struct DeviceCounts: Codable, Equatable, Sendable {
  /// The firmware's requests are among them: it looks at the disk before the guest does.
  package var buffers = 0
  package var notifications = 0
  package var notificationsSuppressed = 0
  package var iotlbHits = 0
  package var iotlbMisses = 0
  package var iotlbUpdates = 0
  package var iotlbInvalidations = 0

  package init() {}

  /// Finds the report in what the device wrote; `nil` where there is none.
  package init?(in text: String) {
    // Other lines stand before it; the report begins with a line of its own.
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let first = lines.firstIndex(of: "{"),
      let counts = try? JSONDecoder().decode(Self.self, from: Data(lines[first...].joined(separator: "\n").utf8))
    else { return nil }
    self = counts
  }
}
