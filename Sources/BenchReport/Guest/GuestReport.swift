import BenchHarness
import BenchPaths

/// Everything `ringbench guest` found.
package struct GuestReport: Sendable {
  package let machine: Machine
  package let parameters: GuestParameters
  package let accelerator: GuestAccelerator
  /// Why times are missing; `nil` under KVM.
  package let whyNotKVM: String?
  package let rows: [GuestRow]
  package let interrupted: Bool

  package init(
    machine: Machine, parameters: GuestParameters, accelerator: GuestAccelerator, whyNotKVM: String?, rows: [GuestRow],
    interrupted: Bool
  ) {
    self.machine = machine
    self.parameters = parameters
    self.accelerator = accelerator
    self.whyNotKVM = whyNotKVM
    self.rows = rows
    self.interrupted = interrupted
  }

  /// Whether times say anything.
  package var hasTimes: Bool { accelerator == .kvm }

  package func baseline(of row: GuestRow) -> GuestRow? { rows.first { $0.setting == .direct && $0.ring == row.ring } }

  /// Requests a second over those of `direct` on the same ring.
  package func ratio(_ row: GuestRow, _ operation: String) -> Double? {
    guard let own = row.pass(operation), let base = baseline(of: row)?.pass(operation), base.requestsPerSecond > 0
    else { return nil }
    return own.requestsPerSecond / base.requestsPerSecond
  }

  /// What the rows say together.
  package var answer: String {
    let requests = rows.map(\.requests).reduce(0, +)
    let checked = "\(NumberText.grouped(requests)) requests in \(rows.count) boots, each word that was read compared"
    guard hasTimes else {
      return "\(checked). Times mean nothing under software emulation and are not given: \(whyNotKVM ?? "")."
    }
    let reads = rows.filter { $0.setting != .direct }.compactMap { row in
      ratio(row, "read").map { "\(row.setting.name) (\(row.ring.name)) \(NumberText.fixed($0, 2))" }
    }
    return "\(checked). Reads a second, of direct's: \(reads.joined(separator: ", "))."
  }
}

extension GuestReport: Encodable {
  private enum Key: String, CodingKey {
    case schema, machine, parameters, accelerator, whyNotKVM, timesMeanSomething, results, interrupted, answer
  }

  private enum RowKey: String, CodingKey {
    case setting, ring, guestKernel, hypervisor, negotiated, features, domainType, kernelWords, devices, write, read
    case device, guestEvents, peakBounceSlots, bounceSlots
  }

  private enum PassKey: String, CodingKey {
    case requests, bytes, requestsPerSecond, latencyNanoseconds, ratioToDirect
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(1, forKey: .schema)
    try values.encode(machine, forKey: .machine)
    try values.encode(parameters, forKey: .parameters)
    try values.encode(accelerator, forKey: .accelerator)
    try values.encode(whyNotKVM, forKey: .whyNotKVM)
    try values.encode(hasTimes, forKey: .timesMeanSomething)
    try values.encode(interrupted, forKey: .interrupted)
    try values.encode(answer, forKey: .answer)
    var list = values.nestedUnkeyedContainer(forKey: .results)
    for row in rows { try encode(row, to: list.nestedContainer(keyedBy: RowKey.self)) }
  }

  private func encode(_ row: GuestRow, to container: KeyedEncodingContainer<RowKey>) throws {
    var values = container
    try values.encode(row.setting, forKey: .setting)
    try values.encode(row.ring, forKey: .ring)
    try values.encode(row.console.kernel, forKey: .guestKernel)
    try values.encode(row.console.hypervisor, forKey: .hypervisor)
    try values.encode(row.console.ringFeatures, forKey: .negotiated)
    try values.encode(row.console.features, forKey: .features)
    try values.encode(row.console.domainType, forKey: .domainType)
    try values.encode(row.setting.kernelWords, forKey: .kernelWords)
    try values.encode(row.setting.devices(row.ring, chardev: "other"), forKey: .devices)
    try values.encode(row.device, forKey: .device)
    try values.encode(row.console.events, forKey: .guestEvents)
    try values.encode(row.peakSlots, forKey: .peakBounceSlots)
    try values.encode(row.console.slotCount, forKey: .bounceSlots)
    for (operation, key) in [("write", RowKey.write), ("read", RowKey.read)] {
      guard let pass = row.pass(operation) else { continue }
      var part = values.nestedContainer(keyedBy: PassKey.self, forKey: key)
      try part.encode(pass.requests, forKey: .requests)
      try part.encode(pass.bytes, forKey: .bytes)
      // Never a number that means nothing.
      guard hasTimes else { continue }
      try part.encode(Rounded.value(pass.requestsPerSecond), forKey: .requestsPerSecond)
      let latency = Dictionary(uniqueKeysWithValues: zip(LoadPass.latencyNames, pass.latency))
      try part.encode(latency, forKey: .latencyNanoseconds)
      try part.encode(ratio(row, operation).map { Rounded.value($0) }, forKey: .ratioToDirect)
    }
  }
}
