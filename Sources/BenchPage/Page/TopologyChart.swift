import BenchDocument
import BenchHarness

/// Nodes, caches and CPUs, with those of the two threads.
enum TopologyChart {
  /// More CPUs than this are told, not drawn.
  private static let most = 256
  private static let cell = 12.0

  static func chart(_ document: ResultDocument, name: String) -> Chart? {
    let machine = document.machine
    let driver = document.parameters["driverCPU"]?.integer
    let device = document.parameters["deviceCPU"]?.integer
    let cpus = machine.nodes.flatMap(\.cpus)
    guard !cpus.isEmpty, cpus.count <= most else { return nil }
    let last = machine.caches.map(\.level).max() ?? 0
    // Rows of groups: of each node its CPUs by last-level cache.
    var rows: [(title: String, groups: [[Int]])] = []
    for node in machine.nodes where !node.cpus.isEmpty {
      var groups: [[Int]] = []
      for cache in machine.caches where cache.level == last {
        let group = cache.cpus.filter { node.cpus.contains($0) }
        if !group.isEmpty, !groups.contains(group) { groups.append(group) }
      }
      let grouped = Set(groups.flatMap { $0 })
      let rest = node.cpus.filter { !grouped.contains($0) }
      if !rest.isEmpty { groups.append(rest) }
      rows.append(("node \(node.node), \(fixed(Double(node.memoryBytes) / Double(1 << 30), 1)) GiB", groups))
    }
    let kind = machine.underHypervisor ? "as the guest is told" : "by the kernel"
    var chart = Chart(
      name: "\(name)-topology", title: "Topology, \(kind)",
      summary: rows.map { row in
        "\(row.title): \(row.groups.map { "CPUs \(CPUList.text($0)) behind one L\(last)" }.joined(separator: ", "))"
      }.joined(separator: "; ") + ". Driver on CPU \(driver ?? -1), device on CPU \(device ?? -1).",
      height: height(rows))
    var y = 20.0
    for row in rows {
      chart.label(row.title, 4, y - 6, as: "s")
      var (x, below) = (4.0, y)
      for group in row.groups {
        let size = Self.size(group.count)
        if x > 4, x + size.width > Chart.width - 4 { (x, y) = (4, below + 6) }
        chart.rectangle(x, y, x + size.width, y + size.height, as: "k")
        for (number, cpu) in group.enumerated() {
          let (column, line) = (number % perLine, number / perLine)
          let (left, top) = (x + 4 + Double(column) * (cell + 2), y + 4 + Double(line) * (cell + 2))
          let kind = cpu == driver ? "c6" : cpu == device ? "c5" : "g"
          chart.rectangle(left, top, left + cell, top + cell, as: kind)
        }
        x += size.width + 6
        below = max(below, y + size.height)
      }
      y = below + 26
    }
    _ = chart.legend(
      [(.square, "c6", "driver, CPU \(driver ?? -1)"), (.square, "c5", "device, CPU \(device ?? -1)")], 4, y - 6)
    return chart
  }

  private static let perLine = 16

  private static func size(_ count: Int) -> (width: Double, height: Double) {
    let lines = (count + perLine - 1) / perLine
    return (Double(min(count, perLine)) * (cell + 2) + 6, Double(lines) * (cell + 2) + 6)
  }

  private static func height(_ rows: [(title: String, groups: [[Int]])]) -> Double {
    var y = 20.0
    for row in rows {
      var (x, below) = (4.0, y)
      for group in row.groups {
        let size = Self.size(group.count)
        if x > 4, x + size.width > Chart.width - 4 { (x, y) = (4, below + 6) }
        x += size.width + 6
        below = max(below, y + size.height)
      }
      y = below + 26
    }
    return y + 4
  }
}
