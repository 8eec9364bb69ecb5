import BenchHarness
import BenchPaths
import RingKit
import RingPlatform
import VhostUser

/// Everything `ringbench vfio` found.
package final class VFIOReport: Encodable {
  /// Writes, or reads, of one path on one ring.
  struct Pass: Encodable, Sendable {
    let requests: Int
    let verified: Int
    /// Never a number that means nothing.
    let nsPerRequest: Figure?
    /// Work per request, all kinds.
    let counters: [String: Double]

    init(_ pass: VFIORow.Pass, verified: Int, hasTimes: Bool) {
      (requests, self.verified) = (pass.requests, verified)
      nsPerRequest = hasTimes ? Figure(wrappedValue: pass.nanosecondsPerRequest) : nil
      var counters: [String: Double] = [:]
      for event in WorkEvent.allCases { counters[event.rawValue] = Rounded.value(pass.perRequest(event)) }
      self.counters = counters
    }
  }

  struct Row: Encodable, Sendable {
    let path: VFIOPath
    let ring: RingLayout
    let negotiated: String
    let sectors: UInt64
    /// Where blocks were overwritten first.
    let write: Pass?
    let read: Pass
  }

  package let machine: Machine
  let parameters: VFIOParameters
  let group: Int
  let results: [Row]
  @Null package var fault: VFIOFault?
  /// Ended by a signal: what is here is what there was by then.
  package let interrupted = Interrupt.isRequested
  /// Not where the CPU is one that QEMU emulates in software: then the IOMMU is too.
  let timesMeanSomething: Bool
  private(set) var answer = ""

  package init(machine: Machine, parameters: VFIOParameters, group: Int, rows: [VFIORow], fault: VFIOFault?) {
    (self.machine, self.parameters, self.group, self.fault) = (machine, parameters, group, fault)
    let hasTimes = !machine.cpuModel.contains("TCG")
    timesMeanSomething = hasTimes
    results = rows.map { row in
      Row(
        path: row.path, ring: row.ring, negotiated: DeviceKind.block.featureNames(row.features),
        sectors: row.limits.sectorCount,
        write: row.write.map { Pass($0, verified: 0, hasTimes: hasTimes) },
        read: Pass(row.read, verified: row.read.requests, hasTimes: hasTimes))
    }
    answer = "\(grouped(results.reduce(0) { $0 + $1.read.requests })) reads, each block "
    answer += parameters.overwrite ? "compared with what was written." : "the same on every path."
    if !hasTimes { answer += " Times mean nothing under software emulation: device and IOMMU are emulated, too." }
    if let fault { answer += Self.text(fault) }
  }

  private static func text(_ fault: VFIOFault) -> String {
    guard fault.isReported else { return " An access after unmap left the memory alone and was not reported." }
    let by = [
      fault.kernelMessages?.first.map { "the kernel says '\($0)'" },
      fault.deviceNeedsReset ? "the device needs a reset" : nil,
      fault.requestStatus.map { $0 == "done" ? "the device noticed nothing" : "the device says the request \($0)" },
    ]
    return " An access after unmap is a device fault and left the memory alone: "
      + by.compactMap { $0 }.joined(separator: "; ") + "."
  }
}

/// What a real device behind a real IOMMU showed, for people.
extension VFIOReport {
  package func text() -> String {
    let parameters = parameters
    var rows: [[String]] = []
    for row in results {
      for (name, pass) in [("write", row.write), ("read", row.read)] {
        guard let pass else { continue }
        func count(_ event: WorkEvent) -> Double { pass.counters[event.rawValue] ?? 0 }
        var cells = [row.ring.name, row.path.name, name]
        if let time = pass.nsPerRequest { cells.append(short(time.wrappedValue / 1000)) }
        cells += [grouped(pass.requests), short(count(.maps)), short(count(.unmaps)), short(count(.systemCalls))]
        cells += [
          fixed(count(.bytesCopiedIn) + count(.bytesCopiedOut), 0), short(count(.notifications)), row.negotiated,
        ]
        rows.append(cells)
      }
    }
    let time = timesMeanSomething ? "|>µs a request" : ""
    let table = TextTable.text(
      "ring|path|\(time)|>requests|>maps|>unmaps|>system calls|>B copied|>notifications|negotiated", rows)
    return """
      virtio-blk \(parameters.device), IOMMU group \(group), \
      \(grouped(Int(clamping: results.first?.sectors ?? 0))) sectors; \
      \(NumberText.bytes(parameters.blockBytes)) a request, \(parameters.depth) outstanding; work per request

      \(table)
      \(answer)
      \(Lines.more("vfio"))
      """
  }
}
