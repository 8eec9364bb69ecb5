import BenchHarness
import BenchPaths

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
    var table = TextTable([
      ("node", .right), ("CPUs", .left), ("memory", .right), ("free", .right), ("distances", .left),
    ])
    for node in machine.nodes {
      table.add([
        "\(node.node)", CPUList.text(node.cpus), gibibytes(node.memoryBytes), gibibytes(node.freeBytes),
        node.distances.map { "\($0)" }.joined(separator: " "),
      ])
    }
    return table.render()
  }

  private func gibibytes(_ bytes: UInt64) -> String { NumberText.fixed(Double(bytes) / Double(1 << 30), 1) + " GiB" }

  private var caches: String {
    var table = TextTable([("cache", .left), ("size", .right), ("CPUs", .left)])
    for cache in machine.caches {
      table.add(["L\(cache.level) \(cache.type)", NumberText.bytes(cache.bytes), CPUList.text(cache.cpus)])
    }
    return table.render()
  }

  private var roundTrip: String {
    guard let trip = report.roundTrip else { return "Round trip: not measured\n" }
    var text = """
      Round trip of a cache line, CPU \(trip.driverCPU) to \(trip.deviceCPU), \(trip.probes) probes: \
      min \(NumberText.short(trip.minimum)), median \(NumberText.short(trip.median)), \
      p90 \(NumberText.short(trip.percentile90)) ns

      """
    for cluster in trip.clusters {
      text += "  \(NumberText.fixed(cluster.share * 100, 0)) % around \(NumberText.short(cluster.nanoseconds)) ns:"
      text += " class \(cluster.placement.name)\n"
    }
    return text
  }

  private var lacks: String {
    guard !report.lacks.isEmpty else { return "This machine lacks nothing that ringbench can use.\n" }
    return "What this machine lacks:\n" + report.lacks.map { "  - \($0)\n" }.joined()
  }
}
