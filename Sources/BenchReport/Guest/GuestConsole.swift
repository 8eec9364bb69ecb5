import BenchDocument
import BenchHarness
import FoundationEssentials
import RingKit

/// One pass of the fixed load (Scripts/guest/load.c, load-net.c): so many random writes, reads that were compared with
/// them, or frames that came back.
package struct LoadPass: Sendable {
  package let operation: String
  let requests: Int
  let bytes: Int
  let nanoseconds: Int
  /// Nanoseconds of a request, by the names of ``latencyNames``.
  let latency: [String: Int]
  /// Bounce slots in use at most, as far as was seen.
  package let peakSlots: Int

  /// Median, 90th, 99th and 99.9th percentile, and the longest.
  static let latencyNames = ["p50", "p90", "p99", "p999", "max"]

  /// Takes `name=value` words apart; `nil` when one is missing.
  init?(_ words: ArraySlice<String>) {
    var (name, numbers, latency) = (String?.none, [String: Int](), [String: Int]())
    for word in words {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { continue }
      if parts[0] == "op" { name = parts[1] } else { numbers[parts[0]] = Int(parts[1]) }
    }
    for name in Self.latencyNames { latency[name] = numbers[name] }
    guard let operation = name, let requests = numbers["requests"], let bytes = numbers["bytes"],
      let nanoseconds = numbers["ns"], let peakSlots = numbers["peak"], latency.count == Self.latencyNames.count
    else { return nil }
    (self.operation, self.requests, self.bytes) = (operation, requests, bytes)
    (self.nanoseconds, self.latency, self.peakSlots) = (nanoseconds, latency, peakSlots)
  }

  var requestsPerSecond: Double { nanoseconds == 0 ? 0 : Double(requests) * 1e9 / Double(nanoseconds) }
}

/// What a guest said on its serial line (Scripts/guest/init and load.sh say what can stand there).
package struct GuestConsole: Sendable {
  /// The kernel's release, and the hypervisor it found: `none` under software emulation.
  var kernel = ""
  var hypervisor = "none"
  /// Character i is the device's feature bit i, after negotiation.
  var features = ""
  package var domainType = ""
  /// Of the load whose times or instructions are wanted: writes, then reads; or frames.
  package var passes: [LoadPass] = []
  /// Of the load after it, whose trace events the kernel counted; empty where there was none.
  package var traced: [LoadPass] = []
  /// Trace events of the guest's kernel, counted.
  var events: [String: Int] = [:]
  /// Bounce slots in use when the load was over, and how many there are.
  package var slotsLeft: Int?
  var slotCount: Int?
  /// Bytes of the kernel's symbols, which the guest wrote to the start of its disk.
  package var symbolBytes: Int?
  /// Lines of the kernel's log that speak of faults.
  package var faults: [String] = []
  /// Why the load failed, in its words.
  package var failure: String?
  /// `nil` when it did not get to its end.
  package var exitCode: Int?

  /// Takes the lines of a guest, which are its own: what is kept of them is fit for a terminal.
  package init(_ lines: [Substring]) {
    var isTraced = false
    for line in lines {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\r" }).map { String(printable: $0.utf8) }
      guard words.count >= 2 else { continue }
      switch (words[0], words[1]) {
      case ("guest:", "begin") where words.count >= 5:
        kernel = String(words[2].prefix { $0 != "," })
        hypervisor = words[4...].joined(separator: " ")
      case ("guest:", "features") where words.count == 3: features = words[2]
      case ("guest:", "iommu") where words.count == 3: domainType = words[2]
      case ("guest:", "traced"): isTraced = true
      case ("guest:", "event") where words.count == 4: events[words[2]] = Int(words[3])
      case ("guest:", "io_tlb_used") where words.count == 5: (slotsLeft, slotCount) = (Int(words[2]), Int(words[4]))
      case ("guest:", "symbols") where words.count == 3: symbolBytes = Int(words[2])
      case ("guest:", "kernel"): faults.append(words[2...].joined(separator: " "))
      case ("guest:", "exit") where words.count == 3: exitCode = Int(words[2])
      case ("load:", "failed:"): failure = words[2...].joined(separator: " ")
      case ("load:", _):
        guard let pass = LoadPass(words.dropFirst()) else { continue }
        if isTraced { traced.append(pass) } else { passes.append(pass) }
      default: break
      }
    }
  }

  package func has(bit: Int) -> Bool { features.dropFirst(bit).first == "1" }

  /// The ring's features, by name.
  package var ringFeatures: String {
    let named = [
      (28, "INDIRECT_DESC"), (29, "EVENT_IDX"), (32, "VERSION_1"), (33, "ACCESS_PLATFORM"), (34, "RING_PACKED"),
    ]
    return named.filter { has(bit: $0.0) }.map(\.1).joined(separator: " ")
  }
}

/// What our device did for a guest, as `ringbench device` reports it when the front-end has gone.
package struct DeviceCounts: Codable, Sendable {
  /// The firmware's requests are among them: it looks at the disk before the guest does.
  var buffers = 0
  var notifications = 0
  var notificationsSuppressed = 0
  var iotlbHits = 0
  var iotlbMisses = 0
  var iotlbUpdates = 0
  var iotlbInvalidations = 0

  init() {}

  mutating func add(_ other: DeviceCounts) {
    buffers += other.buffers
    notifications += other.notifications
    notificationsSuppressed += other.notificationsSuppressed
    iotlbHits += other.iotlbHits
    iotlbMisses += other.iotlbMisses
    iotlbUpdates += other.iotlbUpdates
    iotlbInvalidations += other.iotlbInvalidations
  }

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
