import BenchDocument

/// One combination: a setting on a ring with requests of one size and depth, and what both sides counted in its boots.
struct GuestRow: Encodable, Sendable {
  /// Writes, reads or exchanged frames; times where those mean something, else instructions.
  struct Pass: Encodable, Sendable {
    /// Of all boots.
    let requests: Int
    fileprivate(set) var requestsPerSecond: Figure?
    fileprivate(set) var latencyNanoseconds: [String: Int]?
    /// Requests a second over those of `direct` with the same ring, size and depth.
    fileprivate(set) var ratioToDirect: Null<Figure>?
    /// Of the guest's kernel, a request.
    private(set) var kernelInstructions: BootSpread?
    /// Of the load itself: the same in each setting.
    private(set) var userInstructions: BootSpread?
    /// Elements that the kernel's repeated string instructions moved beyond the first: they are no instructions.
    private(set) var kernelRepeats: BootSpread?
    /// The kernel's instructions less those of `direct`; `nil` of `direct`.
    fileprivate(set) var kernelOverDirect: Double?
    /// The kernel's instructions by what its functions are for.
    private(set) var `in`: [String: Double]?

    /// `nil` where the load has no such pass.
    fileprivate init?(_ operation: String, _ boots: [GuestBoot], areTimes: Bool) {
      let passes = boots.compactMap { $0.load(operation) }
      guard !passes.isEmpty else { return nil }
      requests = passes.reduce(0) { $0 + $1.requests }
      if areTimes {
        requestsPerSecond = Figure(wrappedValue: Percentile.median(passes.map(\.requestsPerSecond)) ?? 0)
        var latency: [String: Int] = [:]
        for name in LoadPass.latencyNames {
          latency[name] = Percentile.median(passes.compactMap { $0.latency[name].map(Double.init) }).map { Int($0) }
        }
        latencyNanoseconds = latency
      }
      var (kernel, user, repeats) = ([Double](), [Double](), [Double]())
      for boot in boots {
        guard let counted = boot.counted.first(where: { $0.operation == operation }),
          let requests = boot.load(operation)?.requests, requests > 0
        else { continue }
        kernel.append(Double(counted.kernel) / Double(requests))
        user.append(Double(counted.user) / Double(requests))
        repeats.append(Double(counted.kernelRepeats) / Double(requests))
      }
      (kernelInstructions, userInstructions) = (BootSpread(kernel), BootSpread(user))
      kernelRepeats = BootSpread(repeats)
      guard let index = boots.first?.guest.device.operations.firstIndex(of: operation) else { return nil }
      let functions = boots.filter { index < $0.functions.count }
      guard !functions.isEmpty else { return }
      let counted = functions.reduce(0) { $0 + ($1.load(operation)?.requests ?? 0) }
      var groups: [String: Double] = [:]
      for function in functions.flatMap({ $0.functions[index] }) {
        groups[function.group.rawValue, default: 0] += Double(function.instructions)
      }
      `in` = groups.mapValues { PerRequest.rounded($0 / Double(counted)) }
    }

    fileprivate mutating func compare(with base: Pass?) {
      if let own = requestsPerSecond?.wrappedValue {
        let direct = base?.requestsPerSecond?.wrappedValue ?? 0
        ratioToDirect = Null(wrappedValue: direct > 0 ? Figure(wrappedValue: own / direct) : nil)
      }
      if let own = kernelInstructions?.median, let direct = base?.kernelInstructions?.median {
        kernelOverDirect = PerRequest.rounded(own - direct)
      }
    }
  }

  let guestDevice: GuestDevice
  private let architecture: GuestArchitecture
  let setting: GuestSetting
  let ring: RingLayout
  let bytes: Int
  let depth: Int
  let boots: Int
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
  fileprivate(set) var exchange: Pass?
  /// Of all boots.
  let device: DeviceCounts
  /// Of the traced loads of all boots, which had so many requests.
  let guestEvents: [String: Int]
  let tracedRequests: Int
  /// In use at most, as far as was seen.
  let peakBounceSlots: Int
  @Null private var bounceSlots: Int?
  /// What the setting's counts must be, and whether they are; `nil` where the kernel was not asked to trace.
  private(set) var expected: String?
  private(set) var asExpected: Bool?

  /// `nil` without a boot.
  init?(_ boots: [GuestBoot], _ architecture: GuestArchitecture, areTimes: Bool) {
    guard let first = boots.first else { return nil }
    let guest = first.guest
    (guestDevice, self.architecture, setting) = (guest.device, architecture, guest.setting)
    (ring, bytes, depth) = (guest.ring, guest.bytes, guest.depth)
    (guestKernel, hypervisor) = (first.console.kernel, first.console.hypervisor)
    (negotiated, features) = (first.console.ringFeatures, first.console.features)
    (domainType, bounceSlots) = (first.console.domainType, first.console.slotCount)
    kernelWords = guest.setting.kernelWords(architecture)
    devices = guest.setting.devices(guest.ring, chardev: "other", device: guest.device, architecture: architecture)
    self.boots = boots.count
    write = Pass("write", boots, areTimes: areTimes)
    read = Pass("read", boots, areTimes: areTimes)
    exchange = Pass("exchange", boots, areTimes: areTimes)
    var device = DeviceCounts()
    var events: [String: Int] = [:]
    for boot in boots {
      device.add(boot.device)
      events.merge(boot.console.events, uniquingKeysWith: +)
    }
    (self.device, guestEvents) = (device, events)
    tracedRequests = boots.flatMap(\.console.traced).reduce(0) { $0 + $1.requests }
    peakBounceSlots = boots.flatMap { $0.console.passes + $0.console.traced }.map(\.peakSlots).max() ?? 0
    expect()
  }

  /// Holds the counts of a request against what the setting stands for.
  private mutating func expect() {
    guard let maps = event("map"), let unmaps = event("unmap"), let bounces = event("swiotlb_bounced") else { return }
    let invalidations = perRequest(device.iotlbInvalidations)
    switch setting {
    case .direct, .accessPlatform:
      expected = "neither maps, nor invalidations, nor bounces"
      asExpected = maps == 0 && invalidations == 0 && bounces == 0
    case .forcedStrict:
      expected = "an invalidation for each unmap, within 5 %"
      asExpected = maps >= 1 && bounces == 0 && abs(invalidations - unmaps) <= 0.05 * unmaps
    case .forcedLazy:
      expected = "maps, and an invalidation for four unmaps or more"
      asExpected = maps >= 1 && bounces == 0 && invalidations <= unmaps / 4
    case .swiotlb:
      expected = "a bounce for each buffer, and no maps"
      asExpected = maps == 0 && invalidations == 0 && bounces >= 1
    }
  }

  /// Of the traced loads, a request; `nil` where there was none.
  func event(_ name: String) -> Double? {
    tracedRequests == 0 ? nil : Double(guestEvents[name] ?? 0) / Double(tracedRequests)
  }

  /// A count of the device's, a request; the firmware's requests are among them, and frames that were not counted.
  func perRequest(_ count: Int) -> Double {
    device.buffers == 0 ? 0 : Double(count * guestDevice.buffersPerRequest) / Double(device.buffers)
  }

  /// The passes that there are, by name.
  var passes: [(name: String, pass: Pass)] {
    [("write", write), ("read", read), ("exchange", exchange)].compactMap { name, pass in pass.map { (name, $0) } }
  }

  func pass(_ operation: String) -> Pass? { passes.first { $0.name == operation }?.pass }

  /// What it is a row of.
  var guest: GuestCase { GuestCase(setting, ring, bytes: bytes, depth: depth, device: guestDevice) }

  fileprivate mutating func compare(with rows: [GuestRow]) {
    guard setting != .direct else { return }
    let base = rows.first { $0.setting == .direct && $0.guest.isBeside(guest) }
    write?.compare(with: base?.write)
    read?.compare(with: base?.read)
    exchange?.compare(with: base?.exchange)
  }
}

/// Everything `ringbench guest` found.
package final class GuestReport: Encodable {
  package let machine: Machine
  let parameters: GuestParameters
  let accelerator: GuestAccelerator
  /// Why times are missing; `nil` under KVM.
  @Null private var whyNotKVM: String?
  /// Why instructions are missing; `nil` where they were counted, and under KVM.
  @Null var whyNotCounted: String?
  let timesMeanSomething: Bool
  let results: [GuestRow]
  /// The instructions of each pass of each boot.
  private let boots: [GuestBootRecord]
  /// The functions that take most.
  let functions: [GuestFunctionTable]
  package let interrupted: Bool
  /// What the rows say together.
  let answer: String

  /// Takes all boots, in any order; `whyNotCounted` is `nil` where the plugin counted.
  package init(
    machine: Machine, parameters: GuestParameters, accelerator: GuestAccelerator, whyNotKVM: String?,
    whyNotCounted: String? = nil, boots: [GuestBoot], interrupted: Bool
  ) {
    (self.machine, self.parameters, self.accelerator) = (machine, parameters, accelerator)
    (self.whyNotKVM, self.interrupted) = (whyNotKVM, interrupted)
    let isMeasured = accelerator == .kvm
    (timesMeanSomething, self.whyNotCounted) = (isMeasured, isMeasured ? nil : whyNotCounted)
    let groups = parameters.cases.map { guest in boots.filter { $0.guest == guest } }
    var results = groups.compactMap { GuestRow($0, parameters.architecture, areTimes: isMeasured) }
    for number in results.indices { results[number].compare(with: results) }
    self.results = results
    self.boots = boots.flatMap(GuestBootRecord.of)
    functions = groups.flatMap(GuestFunctionTable.of)
    let requests = results.flatMap(\.passes).reduce(0) { $0 + $1.pass.requests }
    let checked = "\(grouped(requests)) requests in \(boots.count) boots, each word that came back compared. "
    if isMeasured {
      let reads = results.compactMap { row in
        row.passes.last?.pass.ratioToDirect?.wrappedValue.map { ratio in
          "\(row.guestDevice.name) \(row.setting.name) (\(row.ring.name)) \(fixed(ratio.wrappedValue, 2))"
        }
      }
      answer = checked + "Reads, or frames, a second, of direct's: \(reads.joined(separator: ", "))."
    } else {
      let nothing = "Times mean nothing under software emulation and are not given: \(whyNotKVM ?? "")."
      answer = GuestDevice.allCases.compactMap { Self.instructions(results, $0) }.joined() + checked + nothing
    }
  }

  /// What the device's first operation takes in the first ring, size and depth; `nil` where nothing was counted.
  private static func instructions(_ results: [GuestRow], _ device: GuestDevice) -> String? {
    let (rows, operation) = (results.filter { $0.guestDevice == device }, device.operations[0])
    guard let base = rows.first, let direct = base.pass(operation)?.kernelInstructions else { return nil }
    let more = rows.dropFirst().filter { $0.guest.isBeside(base.guest) }.compactMap { row in
      row.pass(operation)?.kernelOverDirect.map { over in
        "\(row.setting.name) \(over < 0 ? "" : "+")\(grouped(Int(over.rounded()))) "
          + "(\(fixed(100 * over / direct.median, 0)) %)"
      }
    }
    let what = device == .blk ? ("write", "") : ("frame", ", sent and returned,")
    let text =
      "A \(what.0) of \(NumberText.bytes(base.bytes))\(what.1) takes the guest's kernel "
      + "\(grouped(Int(direct.median.rounded()))) instructions when \(base.setting.name)"
    return text + (more.isEmpty ? ". " : "; with \(more.joined(separator: ", ")). ")
  }
}

extension GuestReport: PlainReport {
  package static var kind: ResultRow.Kind { .guest }
  package static var dimensions: Set<String> { ["bytes"] }
}
