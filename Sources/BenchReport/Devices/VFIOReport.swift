import BenchDocument
import RingKit
import RingPlatform
import VhostUser

/// Everything `ringbench vfio` found.
package final class VFIOReport: Encodable {
  /// Writes, reads or frames of one path on one ring.
  struct Pass: Encodable, Sendable {
    let requests: Int
    let verified: Int
    /// Never a number that means nothing.
    let nsPerRequest: Figure?
    /// A request's, that ended the driver's sleep; where it sleeps.
    let interruptsPerRequest: Double?
    /// Work per request, all kinds.
    let counters: [String: Double]

    init(_ pass: VFIORow.Pass, verified: Int, hasTimes: Bool, sleeps: Bool) {
      (requests, self.verified) = (pass.requests, verified)
      nsPerRequest = hasTimes ? Figure(wrappedValue: pass.nanosecondsPerRequest) : nil
      interruptsPerRequest = sleeps ? Rounded.value(Double(pass.wakeUps) / Double(max(pass.requests, 1))) : nil
      var counters: [String: Double] = [:]
      for event in WorkEvent.allCases { counters[event.rawValue] = Rounded.value(pass.perRequest(event)) }
      self.counters = counters
    }
  }

  struct Row: Encodable, Sendable {
    let path: VFIOPath
    let ring: RingLayout
    let negotiated: String
    /// Of a disk.
    let sectors: UInt64?
    /// Where blocks were overwritten first.
    let write: Pass?
    /// Of a disk.
    let read: Pass?
    /// Out and back, of a network device.
    let frames: Pass?
  }

  package let machine: Machine
  let parameters: VFIOParameters
  /// `virtio-blk` or `virtio-net`.
  let device: String
  let group: Int
  let results: [Row]
  @Null package var fault: VFIOFault?
  /// Ended by a signal: what is here is what there was by then.
  package let interrupted = Interrupt.isRequested
  /// Not where the CPU is one that QEMU emulates in software: then the IOMMU is too.
  let timesMeanSomething: Bool
  private(set) var answer = ""

  package init(machine: Machine, parameters: VFIOParameters, _ outcome: VFIOOutcome) {
    (self.machine, self.parameters, group, fault) = (machine, parameters, outcome.group, outcome.fault)
    device = "virtio-\(outcome.kind == .network ? "net" : "blk")"
    let hasTimes = !machine.cpuModel.contains("TCG")
    timesMeanSomething = hasTimes
    func pass(_ pass: VFIORow.Pass?, isVerified: Bool) -> Pass? {
      pass.map {
        Pass($0, verified: isVerified ? $0.requests : 0, hasTimes: hasTimes, sleeps: parameters.interrupts)
      }
    }
    results = outcome.rows.map { row in
      Row(
        path: row.path, ring: row.ring, negotiated: outcome.kind.featureNames(row.features), sectors: row.sectorCount,
        write: pass(row.write, isVerified: false), read: pass(row.read, isVerified: true),
        frames: pass(row.frames, isVerified: true))
    }
    let compared = results.reduce(0) { $0 + ($1.read?.requests ?? 0) + ($1.frames?.requests ?? 0) }
    answer = "\(grouped(compared)) "
    switch (outcome.kind, parameters.overwrite) {
    case (.network, _): answer += "frames came back, each byte as it was sent."
    case (_, true): answer += "reads, each block compared with what was written."
    case (_, false): answer += "reads, each block the same on every path."
    }
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
    let isDisk = device == "virtio-blk"
    var rows: [[String]] = []
    for row in results {
      for (name, pass) in [("write", row.write), ("read", row.read), ("frame", row.frames)] {
        guard let pass else { continue }
        func count(_ event: WorkEvent) -> Double { pass.counters[event.rawValue] ?? 0 }
        var cells = [row.ring.name, row.path.name, name]
        if let time = pass.nsPerRequest { cells.append(short(time.wrappedValue / 1000)) }
        cells += [grouped(pass.requests), short(count(.maps)), short(count(.unmaps)), short(count(.systemCalls))]
        cells += [fixed(count(.bytesCopiedIn) + count(.bytesCopiedOut), 0), short(count(.notifications))]
        if let interrupts = pass.interruptsPerRequest { cells.append(short(interrupts)) }
        rows.append(cells + [row.negotiated])
      }
    }
    let time = timesMeanSomething ? "|>µs a request" : ""
    let interrupts = parameters.interrupts ? "|>interrupts" : ""
    let table = TextTable.text(
      "ring|path|\(time)|>requests|>maps|>unmaps|>system calls|>B copied|>notifications\(interrupts)|negotiated", rows)
    let what =
      isDisk
      ? "\(grouped(Int(clamping: results.first?.sectors ?? 0))) sectors, "
        + "\(NumberText.bytes(parameters.blockBytes)) a request"
      : "\(grouped(parameters.frameBytes)) bytes a frame"
    let queues = isDisk && parameters.queues > 1 ? "\(parameters.queues) queues, " : ""
    return """
      \(device) \(parameters.device), IOMMU group \(group), \(what), \(queues)\
      \(parameters.depth) outstanding\(queues.isEmpty ? "" : " in each"); work per request

      \(table)
      \(answer)
      \(Lines.more("vfio"))
      """
  }
}

extension VFIOReport: PlainReport {
  package static var kind: ResultRow.Kind { .device }
  package var seed: UInt64? { parameters.seed }
}
