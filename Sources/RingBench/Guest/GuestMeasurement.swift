#if Bench
import BenchHarness
import BenchReport
import Glibc

/// All settings on all rings, one boot each.
struct GuestMeasurement {
  private static let device = "/dev/kvm"
  // A guest under KVM says its first line within a second or two; one that never will is not waited for long.
  private static let secondsToComeUp = 12.0

  private var parameters: GuestParameters
  private let machine: Machine

  init(_ parameters: GuestParameters, _ machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  func run(_ files: borrowing GuestFiles, progress: Progress) throws(BenchError) -> GuestReport {
    progress.update("finding out what can run a guest")
    let (accelerator, reason) = try accelerator(files)
    var parameters = parameters
    parameters.requests = parameters.requests ?? GuestParameters.defaultRequests(accelerator)
    let run = GuestRun(parameters: parameters, accelerator: accelerator)
    var rows: [GuestRow] = []
    outer: for ring in parameters.rings {
      for setting in parameters.settings {
        if Interrupt.isRequested { break outer }
        let all = parameters.rings.count * parameters.settings.count
        progress.update(
          "guest \(rows.count + 1) of \(all): \(setting.name), \(ring.name)", done: rows.count, of: all)
        guard let row = try run.run(setting, ring, files) else { break outer }
        rows.append(row)
      }
    }
    return GuestReport(
      machine: machine, parameters: parameters, accelerator: accelerator, whyNotKVM: reason, rows: rows,
      interrupted: Interrupt.isRequested)
  }

  /// What is to run the guests, and why it is not KVM where that was not asked for.
  private func accelerator(
    _ files: borrowing GuestFiles
  ) throws(BenchError) -> (GuestAccelerator, reason: String?) {
    guard parameters.accelerator != .tcg else { return (.tcg, "software emulation was asked for (--accel tcg)") }
    let problem: String
    if !SystemFile.exists(Self.device) {
      problem = "there is no \(Self.device): load kvm-intel or kvm-amd, and allow nested guests when this is one itself"
    } else if unsafe access(Self.device, R_OK | W_OK) != 0 {
      problem = "\(Self.device) may not be opened: join the group kvm"
    } else if let failure = GuestRun(parameters: parameters, accelerator: .kvm).failureToComeUp(
      files, seconds: Self.secondsToComeUp)
    {
      problem = "\(Self.device) is there, but no guest comes up under it (\(failure))"
    } else {
      return (.kvm, nil)
    }
    guard parameters.accelerator == .auto else { throw .machine(problem) }
    return (.tcg, problem)
  }
}
#endif
