import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// The report for people.
package struct DriveText {
  private let report: DriveReport

  package init(_ report: DriveReport) { self.report = report }

  package func render() -> String {
    let (parameters, tally) = (report.parameters, report.tally)
    var text = """
      \(report.machine.cpuModel), Linux \(report.machine.kernel), \(report.machine.toolchain)
      \(parameters.device.name) at \(parameters.socket)\(disk)
      \(parameters.layout.name) ring of \(parameters.queueSize), \(parameters.depth) outstanding, \
      \(NumberText.grouped(parameters.bytes)) bytes, path \(parameters.path.name)
      Negotiated: \(report.negotiated); protocol: \(report.protocolFeatures)

      """
    var table = TextTable([
      ("requests", .right), ("ns each", .right), ("per second", .right), ("p50 µs", .right), ("p99 µs", .right),
      ("p99.9 µs", .right), ("max µs", .right), ("sleeps", .right), ("work per request", .left),
    ])
    let latency = [tally.latency?.p50, tally.latency?.p99, tally.latency?.p999, tally.latency?.max].map {
      $0.map { NumberText.short($0 / 1000) } ?? "-"
    }
    table.add(
      [
        NumberText.grouped(tally.requests), NumberText.short(report.nanosecondsPerRequest),
        NumberText.fixed(report.requestsPerSecond, 0),
      ] + latency + [NumberText.grouped(Int(report.sleeps)), CounterText.text(report.counters)])
    text += "\n" + table.render() + "\n"
    if parameters.isTranslated {
      let counts = report.messages
      text += """
        IOTLB: \(counts.misses) misses, \(counts.announcements) announced, \(counts.updates) updates (\(counts.widenedUpdates) wider \
        than the page table), \(counts.invalidations) invalidations, \
        \(counts.unmappedMisses) misses of what was not mapped, \(counts.refusedAccesses) accesses refused

        """
    }
    if parameters.reconnects {
      let outstanding =
        report.hasNotes
        ? "\(NumberText.grouped(tally.handedOver)) outstanding handed over with the back-end's notes"
        : "\(NumberText.grouped(tally.resubmitted)) outstanding added again by the driver (the back-end keeps no notes)"
      text += "Successors of back-ends that went: \(tally.reconnects); \(outstanding). The times include the waiting.\n"
    }
    if tally.resends + tally.duplicates > 0 {
      text += "\(NumberText.grouped(tally.resends)) frames sent again, "
      text += "\(NumberText.grouped(tally.duplicates)) came twice\n"
    }
    return text + Caveat.text(interrupted: report.interrupted, disturbed: false) + answer + "\n"
  }

  private var disk: String {
    guard let limits = report.limits else { return "" }
    let name = report.tally.name.map { $0.isEmpty ? "" : " '\($0)'" } ?? ""
    return "\(name), \(limits.sectorCount) sectors\(limits.isReadOnly ? ", read-only" : "")"
  }

  private var answer: String {
    let tally = report.tally
    guard report.parameters.verifies else { return "Every request was done; no byte was compared (--verify)." }
    let what = report.parameters.device == .block ? "bytes read back" : "bytes that came back"
    return "All \(NumberText.grouped(tally.bytesVerified)) \(what) are as they were sent."
  }
}
