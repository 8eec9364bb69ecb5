import FoundationEssentials

/// What our device did for a guest, as `ringbench device` reports it when the front-end has gone.
struct DeviceCounts: Codable, Equatable, Sendable {
  /// The firmware's requests are among them: it looks at the disk before the guest does.
  var buffers = 0
  var notifications = 0
  var notificationsSuppressed = 0
  var iotlbHits = 0
  var iotlbMisses = 0
  var iotlbUpdates = 0
  var iotlbInvalidations = 0

  init() {}

  /// Finds the report in what the device wrote; `nil` where there is none.
  init?(in text: String) {
    // Other lines stand before it; the report begins with a line of its own.
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let first = lines.firstIndex(of: "{"),
      let counts = try? JSONDecoder().decode(Self.self, from: Data(lines[first...].joined(separator: "\n").utf8))
    else { return nil }
    self = counts
  }
}
