import BenchHarness
import BenchPaths
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Everything `ringbench vfio` found.
package struct VFIOReport: Sendable {
  package let machine: Machine
  package let parameters: VFIOParameters
  package let group: Int
  package let rows: [VFIORow]
  package let fault: VFIOFault?

  package init(machine: Machine, parameters: VFIOParameters, group: Int, rows: [VFIORow], fault: VFIOFault?) {
    self.machine = machine
    self.parameters = parameters
    self.group = group
    self.rows = rows
    self.fault = fault
  }

  /// Whether the CPU is one that QEMU emulates in software: then the IOMMU is too.
  package var isEmulated: Bool { machine.cpuModel.contains("TCG") }

  /// What it all says.
  package var answer: String {
    let reads = rows.map(\.read.requests).reduce(0, +)
    var text = "\(NumberText.grouped(reads)) reads, each block "
    text += parameters.overwrite ? "compared with what was written." : "the same on every path."
    if isEmulated { text += " Times mean nothing under software emulation: device and IOMMU are emulated, too." }
    guard let fault else { return text }
    guard fault.isReported else {
      return text + " An access after unmap left the memory alone, and nobody reported it."
    }
    let by = [
      fault.kernelMessages?.first.map { "the kernel says '\($0)'" },
      fault.deviceNeedsReset ? "the device needs a reset" : nil,
      fault.requestStatus.map { $0 == "done" ? "the device noticed nothing" : "the device says the request \($0)" },
    ]
    return text + " An access after unmap is a device fault and left the memory alone: "
      + by.compactMap { $0 }.joined(separator: "; ") + "."
  }
}

extension VFIOReport: Encodable {
  private enum Key: String, CodingKey {
    case schema, machine, parameters, group, results, fault, timesMeanSomething, answer
  }

  private enum RowKey: String, CodingKey {
    case path, ring, negotiated, sectors, write, read
  }

  private enum PassKey: String, CodingKey {
    case requests, verified, nsPerRequest, counters
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(1, forKey: .schema)
    try values.encode(machine, forKey: .machine)
    try values.encode(parameters, forKey: .parameters)
    try values.encode(group, forKey: .group)
    try values.encode(fault, forKey: .fault)
    try values.encode(!isEmulated, forKey: .timesMeanSomething)
    try values.encode(answer, forKey: .answer)
    var list = values.nestedUnkeyedContainer(forKey: .results)
    for row in rows {
      var part = list.nestedContainer(keyedBy: RowKey.self)
      try part.encode(row.path, forKey: .path)
      try part.encode(row.ring, forKey: .ring)
      try part.encode(row.features.description, forKey: .negotiated)
      try part.encode(row.limits.sectorCount, forKey: .sectors)
      for (pass, key) in [(row.write, RowKey.write), (row.read, RowKey.read)] {
        guard let pass else { continue }
        var inner = part.nestedContainer(keyedBy: PassKey.self, forKey: key)
        try inner.encode(pass.requests, forKey: .requests)
        try inner.encode(key == .read ? pass.requests : 0, forKey: .verified)
        // Never a number that means nothing.
        if !isEmulated { try inner.encode(Rounded.value(pass.nanosecondsPerRequest), forKey: .nsPerRequest) }
        let counters = WorkEvent.allCases.map { ($0.rawValue, Rounded.value(pass.perRequest($0))) }
        try inner.encode(Dictionary(uniqueKeysWithValues: counters), forKey: .counters)
      }
    }
  }
}
