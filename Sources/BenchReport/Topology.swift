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
package struct TopologyReport: Encodable, Sendable {
  private var schema = 1
  let machine: Machine
  /// `nil` on a machine with one CPU.
  let roundTrip: RoundTripSummary?
  let lacks: [String]

  package init(machine: Machine, roundTrip: RoundTripSummary?, lacks: [String]) {
    (self.machine, self.roundTrip, self.lacks) = (machine, roundTrip, lacks)
  }
}

/// `ringbench topology` for people.
package struct TopologyText {
  private let report: TopologyReport
  private var machine: Machine { report.machine }

  package init(_ report: TopologyReport) { self.report = report }

  package func render() -> String {
    """
    \(machine.cpuModel), \(machine.architecture)\(machine.underHypervisor ? ", under a hypervisor" : "")
    Linux \(machine.kernel), \(machine.toolchain), RingKit \(machine.ringKit)\(commit)

    Usable CPUs: \(CPUList.text(machine.cpus))
    Memory: \(gibibytes(machine.memoryBytes))
    Threads of one core: \(siblings)
    2 MiB pages: \(machine.hugePages.reserved) reserved, \(machine.hugePages.free) free; transparent: \
    \(machine.hugePages.transparent)

    \(nodes)
    \(caches)
    \(roundTrip)
    \(lacks)
    """
  }

  private var commit: String { machine.commit.map { ", commit \($0.prefix(12))" } ?? "" }

  private var siblings: String {
    let groups = machine.siblings.filter { $0.count > 1 }
    return groups.isEmpty ? "none shown" : groups.map { CPUList.text($0) }.joined(separator: "; ")
  }

  private var nodes: String {
    let rows = machine.nodes.map { node in
      [
        "\(node.node)", CPUList.text(node.cpus), gibibytes(node.memoryBytes), gibibytes(node.freeBytes),
        node.distances.map { "\($0)" }.joined(separator: " "),
      ]
    }
    return TextTable.text(">node|CPUs|>memory|>free|distances", rows)
  }

  private func gibibytes(_ bytes: UInt64) -> String { fixed(Double(bytes) / Double(1 << 30), 1) + " GiB" }

  private var caches: String {
    let rows = machine.caches.map { cache in
      ["L\(cache.level) \(cache.type)", NumberText.bytes(cache.bytes), CPUList.text(cache.cpus)]
    }
    return TextTable.text("cache|>size|CPUs", rows)
  }

  private var roundTrip: String {
    guard let trip = report.roundTrip else { return "Round trip: not measured\n" }
    var text = """
      Round trip of a cache line, CPU \(trip.driverCPU) to \(trip.deviceCPU), \(trip.probes) probes: \
      min \(short(trip.minimum)), median \(short(trip.median)), \
      p90 \(short(trip.p90)) ns

      """
    for cluster in trip.clusters {
      text += "  \(fixed(cluster.share * 100, 0)) % around \(short(cluster.roundTripNs)) ns:"
      text += " class \(cluster.class.name)\n"
    }
    return text
  }

  private var lacks: String {
    guard !report.lacks.isEmpty else { return "This machine lacks nothing that ringbench can use.\n" }
    return "What this machine lacks:\n" + report.lacks.map { "  - \($0)\n" }.joined()
  }
}
