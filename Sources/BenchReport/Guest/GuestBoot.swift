import BenchDocument

/// One boot: what both sides counted.
package struct GuestBoot: Sendable {
  let guest: GuestCase
  let console: GuestConsole
  let device: DeviceCounts
  /// Instructions of each pass of the load, by the plugin; empty where there was none.
  let counted: [CountedPass]
  /// The same by kernel function, where that was asked for.
  let functions: [[FunctionCount]]

  /// - Throws: ``BenchError/check(_:)`` where the plugin's passes are not those of the load, or the functions do not
  ///   add up to the kernel's instructions.
  package init(
    _ guest: GuestCase, console: GuestConsole, device: DeviceCounts, count: GuestCount?, symbols: KernelSymbols?
  ) throws(BenchError) {
    (self.guest, self.console, self.device) = (guest, console, device)
    // Those of the traced load follow; what tracing costs is in them.
    let wanted = guest.device.operations
    let passes = Array((count?.passes ?? []).prefix(wanted.count))
    guard count == nil || passes.map(\.operation) == wanted else {
      throw .check("the plugin counted \(passes.map(\.operation)) and not \(wanted) of \(guest.name)")
    }
    counted = passes
    var functions: [[FunctionCount]] = []
    if let symbols { for pass in passes { functions.append(try FunctionCount.of(pass, symbols)) } }
    self.functions = functions
  }

  /// The pass of a name: `write`, `read` or `exchange`.
  func load(_ operation: String) -> LoadPass? { console.passes.first { $0.operation == operation } }
}

/// A boot as the document keeps it, for other statistics: instructions of whole passes.
struct GuestBootRecord: Encodable, Sendable {
  let guestDevice: GuestDevice
  let setting: GuestSetting
  let ring: RingLayout
  let bytes: Int
  let depth: Int
  let operation: String
  let requests: Int
  let kernelInstructions: Int
  let userInstructions: Int
  let kernelRepeats: Int
  let userRepeats: Int

  static func of(_ boot: GuestBoot) -> [GuestBootRecord] {
    boot.counted.map { pass in
      GuestBootRecord(
        guestDevice: boot.guest.device, setting: boot.guest.setting, ring: boot.guest.ring, bytes: boot.guest.bytes,
        depth: boot.guest.depth,
        operation: pass.operation, requests: boot.load(pass.operation)?.requests ?? 0,
        kernelInstructions: pass.kernel, userInstructions: pass.user, kernelRepeats: pass.kernelRepeats,
        userRepeats: pass.userRepeats)
    }
  }
}

/// The functions of one pass that take most, instructions a request.
struct GuestFunctionTable: Encodable, Sendable {
  struct Line: Encodable, Sendable {
    let function: String
    let group: FunctionGroup
    let instructions: Double
  }

  private static let longest = 40

  let guestDevice: GuestDevice
  let setting: GuestSetting
  let ring: RingLayout
  let bytes: Int
  let depth: Int
  let operation: String
  let functions: [Line]

  /// Of all boots of a combination.
  static func of(_ boots: [GuestBoot]) -> [GuestFunctionTable] {
    guard let guest = boots.first?.guest else { return [] }
    return guest.device.operations.enumerated().compactMap { index, operation in
      let counted = boots.filter { index < $0.functions.count }
      let requests = counted.reduce(0) { $0 + ($1.load(operation)?.requests ?? 0) }
      guard requests > 0 else { return nil }
      var sums: [String: FunctionCount] = [:]
      for function in counted.flatMap({ $0.functions[index] }) {
        sums[function.function, default: function.without()].instructions += function.instructions
      }
      let sorted = sums.values.sorted { ($0.instructions, $1.function) > ($1.instructions, $0.function) }
      return GuestFunctionTable(
        guestDevice: guest.device, setting: guest.setting, ring: guest.ring, bytes: guest.bytes, depth: guest.depth,
        operation: operation,
        functions: sorted.prefix(longest).map { function in
          Line(
            function: function.function, group: function.group,
            instructions: PerRequest.rounded(Double(function.instructions) / Double(requests)))
        })
    }
  }
}

extension FunctionCount {
  /// The same function, with nothing counted yet.
  fileprivate func without() -> FunctionCount {
    FunctionCount(function: function, group: group, instructions: 0, repeats: 0)
  }
}

/// Figures of a request, to a tenth: more digits differ from boot to boot.
enum PerRequest {
  static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

/// A figure of a request over several boots.
struct BootSpread: Encodable, Sendable {
  let median: Double
  /// Of the boot with the lowest, and of that with the highest.
  let low: Double
  let high: Double

  /// `nil` of none.
  init?(_ values: [Double]) {
    guard let median = Percentile.median(values), let low = values.min(), let high = values.max() else { return nil }
    (self.median, self.low, self.high) = (
      PerRequest.rounded(median), PerRequest.rounded(low), PerRequest.rounded(high)
    )
  }

  /// Half of the distance between the extremes, by the median.
  var share: Double { median == 0 ? 0 : (high - low) / 2 / median }
}
