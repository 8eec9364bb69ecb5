import BenchHarness
import BenchPaths

/// One boot: a setting on a ring, and what both sides counted.
package struct GuestRow: Encodable, Sendable {
  /// Writes, or reads; without the figures of time where those mean nothing.
  struct Pass: Encodable, Sendable {
    let requests: Int
    let bytes: Int
    fileprivate(set) var requestsPerSecond: Figure?
    fileprivate(set) var latencyNanoseconds: [String: Int]?
    /// Requests a second over those of `direct` on the same ring.
    fileprivate(set) var ratioToDirect: Null<Figure>?

    fileprivate init?(_ pass: LoadPass?) {
      guard let pass else { return nil }
      (requests, bytes) = (pass.requests, pass.bytes)
      requestsPerSecond = Figure(wrappedValue: pass.requestsPerSecond)
      latencyNanoseconds = pass.latency
    }

    fileprivate mutating func compare(with base: Pass?) {
      let (own, direct) = (requestsPerSecond?.wrappedValue ?? 0, base?.requestsPerSecond?.wrappedValue ?? 0)
      ratioToDirect = Null(wrappedValue: direct > 0 ? Figure(wrappedValue: own / direct) : nil)
    }

    fileprivate mutating func forgetTimes() {
      (requestsPerSecond, latencyNanoseconds, ratioToDirect) = (nil, nil, nil)
    }
  }

  let setting: GuestSetting
  let ring: RingLayout
  let guestKernel: String
  private let hypervisor: String
  /// The ring's features, by name.
  let negotiated: String
  private let features: String
  private let domainType: String
  private let kernelWords: [String]
  private let devices: [String]
  fileprivate(set) var write: Pass?
  fileprivate(set) var read: Pass?
  let device: DeviceCounts
  let guestEvents: [String: Int]
  /// In use at most, as far as was seen.
  let peakBounceSlots: Int
  @Null private var bounceSlots: Int?

  package init(setting: GuestSetting, ring: RingLayout, console: GuestConsole, device: DeviceCounts) {
    (self.setting, self.ring, self.device) = (setting, ring, device)
    (guestKernel, hypervisor, negotiated) = (console.kernel, console.hypervisor, console.ringFeatures)
    (features, domainType, guestEvents) = (console.features, console.domainType, console.events)
    (kernelWords, devices) = (setting.kernelWords, setting.devices(ring, chardev: "other"))
    write = Pass(console.passes.first { $0.operation == "write" })
    read = Pass(console.passes.first { $0.operation == "read" })
    peakBounceSlots = console.passes.map(\.peakSlots).max() ?? 0
    bounceSlots = console.slotCount
  }
}

/// Everything `ringbench guest` found.
package final class GuestReport: Encodable {
  package let machine: Machine
  let parameters: GuestParameters
  let accelerator: GuestAccelerator
  /// Why times are missing; `nil` under KVM.
  @Null private var whyNotKVM: String?
  let timesMeanSomething: Bool
  let results: [GuestRow]
  package let interrupted: Bool
  /// What the rows say together.
  let answer: String

  package init(
    machine: Machine, parameters: GuestParameters, accelerator: GuestAccelerator, whyNotKVM: String?, rows: [GuestRow],
    interrupted: Bool
  ) {
    (self.machine, self.parameters, self.accelerator) = (machine, parameters, accelerator)
    (self.whyNotKVM, self.interrupted) = (whyNotKVM, interrupted)
    timesMeanSomething = accelerator == .kvm
    var (results, requests, reads) = (rows, 0, [String]())
    for (number, row) in rows.enumerated() {
      requests += (row.write?.requests ?? 0) + (row.read?.requests ?? 0)
      guard timesMeanSomething else {
        results[number].write?.forgetTimes()
        results[number].read?.forgetTimes()
        continue
      }
      let base = rows.first { $0.setting == .direct && $0.ring == row.ring }
      results[number].write?.compare(with: base?.write)
      results[number].read?.compare(with: base?.read)
      if row.setting != .direct, let ratio = results[number].read?.ratioToDirect?.wrappedValue?.wrappedValue {
        reads.append("\(row.setting.name) (\(row.ring.name)) \(fixed(ratio, 2))")
      }
    }
    self.results = results
    let checked = "\(grouped(requests)) requests in \(rows.count) boots, each word that was read compared. "
    answer =
      timesMeanSomething
      ? checked + "Reads a second, of direct's: \(reads.joined(separator: ", "))."
      : checked + "Times mean nothing under software emulation and are not given: \(whyNotKVM ?? "")."
  }
}

/// The boots for people: times where they mean something, and counts.
extension GuestReport {
  package func text() -> String {
    let parameters = parameters
    var text = "Linux \(results.first?.guestKernel ?? "?") guest, \(parameters.threads) threads, each "
    text += "\(grouped(parameters.requests ?? 0)) random writes and then as many reads of "
    text += "\(NumberText.bytes(parameters.blockBytes)), O_DIRECT; our vhost-user device on the other end\n"
    for ring in parameters.rings {
      let rows = results.filter { $0.ring == ring }
      if timesMeanSomething {
        text += TextTable.text(
          "setting||>requests/s|>× direct|>p50 µs|>p90|>p99|>p99.9|>max", rows.flatMap(times),
          title: "\(ring.name), times")
      }
      // Under KVM the guest's kernel is not asked to trace: that would cost time.
      let traced = timesMeanSomething ? "" : "|>maps|>unmaps|>bounces"
      text += TextTable.text(
        "setting|negotiated|>requests|>interrupts|>IOTLB hits|>misses|>updates|>invalidations\(traced)|>slots at most",
        rows.map(counts), title: "\(ring.name), counts")
    }
    return text + "\n" + Lines.caveat(interrupted: interrupted) + answer + "\n" + Lines.more("guest")
  }

  private func times(_ row: GuestRow) -> [[String]] {
    var rows: [[String]] = []
    for (name, pass) in [("write", row.write), ("read", row.read)] {
      guard let pass else { continue }
      let latency = LoadPass.latencyNames.map { name in
        short(pass.latencyNanoseconds?[name].map { Double($0) / 1000 })
      }
      rows.append(
        [
          row.setting.name, name, fixed(pass.requestsPerSecond?.wrappedValue, 0),
          fixed(pass.ratioToDirect?.wrappedValue?.wrappedValue, 2),
        ] + latency)
    }
    return rows
  }

  private func counts(_ row: GuestRow) -> [String] {
    let device = row.device
    var counts = [
      device.buffers, device.notifications, device.iotlbHits, device.iotlbMisses, device.iotlbUpdates,
      device.iotlbInvalidations,
    ]
    if !timesMeanSomething { counts += ["map", "unmap", "swiotlb_bounced"].map { row.guestEvents[$0] ?? 0 } }
    return [row.setting.name, row.negotiated] + (counts + [row.peakBounceSlots]).map(grouped)
  }
}
