import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// What a real device behind a real IOMMU showed, for people.
package struct VFIOText {
  private let report: VFIOReport

  package init(_ report: VFIOReport) { self.report = report }

  package func render() -> String {
    let parameters = report.parameters
    let sectors = report.rows.first?.limits.sectorCount ?? 0
    var columns: [(title: String, alignment: TextTable.Alignment)] = [("ring", .left), ("path", .left), ("", .left)]
    if !report.isEmulated { columns.append(("µs a request", .right)) }
    columns += [
      ("requests", .right), ("maps", .right), ("unmaps", .right), ("system calls", .right), ("B copied", .right),
      ("notifications", .right), ("negotiated", .left),
    ]
    var table = TextTable(columns)
    for row in report.rows {
      for (pass, name) in [(row.write, "write"), (row.read, "read")] {
        guard let pass else { continue }
        var cells = [row.ring.name, row.path.name, name]
        if !report.isEmulated { cells.append(NumberText.short(pass.nanosecondsPerRequest / 1000)) }
        cells.append(NumberText.grouped(pass.requests))
        cells += [WorkEvent.maps, .unmaps, .systemCalls].map { NumberText.short(pass.perRequest($0)) }
        cells.append(NumberText.fixed(pass.perRequest(.bytesCopiedIn) + pass.perRequest(.bytesCopiedOut), 0))
        cells += [NumberText.short(pass.perRequest(.notifications)), row.features.description]
        table.add(cells)
      }
    }
    return """
      virtio-blk \(parameters.device), IOMMU group \(report.group), \(NumberText.grouped(Int(clamping: sectors))) sectors; \
      \(NumberText.bytes(parameters.blockBytes)) a request, \(parameters.depth) outstanding; work per request

      \(table.render())
      \(report.answer)
      More: 'ringbench help vfio', '--format json'.

      """
  }
}
