import BenchDocument
import BenchHarness

/// What the round trips between two CPUs were over a second or so.
package struct RoundTripSummary: Encodable, Sendable {
  struct Cluster: Encodable, Sendable {
    let `class`: PlacementClass
    @Figure var roundTripNs: Double
    /// Of all probes, 0 to 1.
    @Figure var share: Double
  }

  let driverCPU: Int
  let deviceCPU: Int
  let probes: Int
  @Figure var minimum: Double
  @Figure var median: Double
  @Figure var p90: Double
  let clusters: [Cluster]

  /// `nil` when nothing was measured.
  package init?(_ samples: [Double], driver: Int, device: Int, machine: Machine) {
    guard let minimum = samples.min(), let median = Percentile.median(samples),
      let p90 = Percentile.value(0.9, of: samples)
    else { return nil }
    (driverCPU, deviceCPU, probes) = (driver, device, samples.count)
    (self.minimum, self.median, self.p90) = (minimum, median, p90)
    let classifier = PlacementClassifier(
      pair: machine.pair(driver, device), underHypervisor: machine.underHypervisor, roundTrips: samples)
    clusters = classifier.clusters.clusters.compactMap { cluster in
      guard let placement = classifier.placement(of: cluster.centre) else { return nil }
      return Cluster(
        class: placement, roundTripNs: cluster.centre, share: Double(cluster.count) / Double(samples.count))
    }
  }
}

/// Everything `ringbench topology` tells.
package final class TopologyReport: Encodable {
  package let machine: Machine
  /// `nil` on a machine with one CPU.
  let roundTrip: RoundTripSummary?
  let lacks: [String]

  package init(machine: Machine, roundTrip: RoundTripSummary?, lacks: [String]) {
    (self.machine, self.roundTrip, self.lacks) = (machine, roundTrip, lacks)
  }
}

/// `ringbench topology` for people.
extension TopologyReport {
  package func text() -> String {
    let pages = machine.hugePages
    let groups = machine.siblings.filter { $0.count > 1 }.map { CPUList.text($0) }
    var text = "\(machine.cpuModel), \(machine.architecture)\(machine.underHypervisor ? ", under a hypervisor" : "")\n"
    text += "Linux \(machine.kernel), \(Version.toolchain), RingKit \(Version.ringKit)"
    text += ", commit \(Version.commit.prefix(12))"
    text += "\n\nUsable CPUs: \(CPUList.text(machine.cpus))\nMemory: \(Self.gibibytes(machine.memoryBytes))\n"
    text += "Threads of one core: \(groups.isEmpty ? "none shown" : groups.joined(separator: "; "))\n"
    text += "2 MiB pages: \(pages.reserved) reserved, \(pages.free) free; transparent: \(pages.transparent)\n\n"
    let nodes = machine.nodes.map { node in
      [
        "\(node.node)", CPUList.text(node.cpus), Self.gibibytes(node.memoryBytes), Self.gibibytes(node.freeBytes),
        node.distances.map { "\($0)" }.joined(separator: " "),
      ]
    }
    let caches = machine.caches.map { cache in
      ["L\(cache.level) \(cache.type)", NumberText.bytes(cache.bytes), CPUList.text(cache.cpus)]
    }
    text += TextTable.text(">node|CPUs|>memory|>free|distances", nodes) + "\n"
    text += TextTable.text("cache|>size|CPUs", caches) + "\n"
    if let trip = roundTrip {
      text += "Round trip of a cache line, CPU \(trip.driverCPU) to \(trip.deviceCPU), \(trip.probes) probes: "
      text += "min \(short(trip.minimum)), median \(short(trip.median)), p90 \(short(trip.p90)) ns\n"
      for cluster in trip.clusters {
        text += "  \(fixed(cluster.share * 100, 0)) % around \(short(cluster.roundTripNs)) ns:"
        text += " class \(cluster.class.name)\n"
      }
    } else {
      text += "Round trip: not measured\n"
    }
    text += lacks.isEmpty ? "\nThis machine lacks nothing that ringbench can use.\n" : "\nWhat this machine lacks:\n"
    for lack in lacks { text += "  - \(lack)\n" }
    return text
  }

  private static func gibibytes(_ bytes: UInt64) -> String { fixed(Double(bytes) / Double(1 << 30), 1) + " GiB" }
}

extension TopologyReport: PlainReport {
  package static var kind: ResultRow.Kind { .roundTrip }
  package static var rowsKey: String { "roundTrip" }
  package static var dimensions: Set<String> { ["driverCPU", "deviceCPU"] }
  package var interrupted: Bool { Interrupt.isRequested }
}
