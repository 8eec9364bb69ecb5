import BenchHarness
import BenchPaths

/// What a guest said on its serial line (Scripts/guest/init and load.sh say what can stand there).
package struct GuestConsole: Equatable, Sendable {
  /// The kernel's release, and the hypervisor it found: `none` under software emulation.
  package var kernel = ""
  package var hypervisor = "none"
  /// Character i is the device's feature bit i, after negotiation.
  package var features = ""
  package var domainType = ""
  package var passes: [LoadPass] = []
  /// Trace events of the guest's kernel, counted.
  package var events: [String: Int] = [:]
  /// Bounce slots in use when the load was over, and how many there are.
  package var slotsLeft: Int?
  package var slotCount: Int?
  /// Lines of the kernel's log that speak of faults.
  package var faults: [String] = []
  /// Why the load failed, in its words.
  package var failure: String?
  /// `nil` when it did not get to its end.
  package var exitCode: Int?

  package init(_ lines: some Sequence<Substring>) {
    for line in lines {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\r" }).map(String.init)
      guard words.count >= 2 else { continue }
      switch (words[0], words[1]) {
      case ("guest:", "begin") where words.count >= 5:
        kernel = String(words[2].prefix { $0 != "," })
        hypervisor = words[4...].joined(separator: " ")
      case ("guest:", "features") where words.count == 3: features = words[2]
      case ("guest:", "iommu") where words.count == 3: domainType = words[2]
      case ("guest:", "event") where words.count == 4: events[words[2]] = Int(words[3])
      case ("guest:", "io_tlb_used") where words.count == 5: (slotsLeft, slotCount) = (Int(words[2]), Int(words[4]))
      case ("guest:", "kernel"): faults.append(words[2...].joined(separator: " "))
      case ("guest:", "exit") where words.count == 3: exitCode = Int(words[2])
      case ("load:", "failed:"): failure = words[2...].joined(separator: " ")
      case ("load:", _): LoadPass(words.dropFirst()).map { passes.append($0) }
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
