import BenchPlan
import BenchReport
import Glibc

/// All combinations, several boots each.
package struct GuestMeasurement {
  package static let device = "/dev/kvm"
  // A guest under KVM says its first line within a second or two; one that never will is not waited for long.
  private static let secondsToComeUp = 12.0

  var parameters: GuestParameters
  let machine: Machine

  package init(parameters: GuestParameters, machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  package func run(_ files: borrowing GuestFiles, progress: Progress) throws(BenchError) -> GuestReport {
    progress.update("finding out what can run a guest")
    let (accelerator, reason) = try accelerator(files)
    var parameters = parameters
    parameters.resolve(accelerator)
    for program in ["taskset", "chrt"] where accelerator == .tcg && !GuestFiles.isOnPath(program) {
      throw .machine("\(program) is missing; install it (Debian, Ubuntu: apt-get install util-linux)")
    }
    let run = GuestRun(parameters: parameters, accelerator: accelerator)
    let cases = parameters.cases
    var boots: [GuestBoot] = []
    let all = cases.count * (parameters.boots ?? 1)
    // Whatever the machine does meanwhile, it does to all of them: the boots of one combination are apart.
    outer: for _ in 0..<(parameters.boots ?? 1) {
      for guest in cases {
        if Interrupt.isRequested { break outer }
        progress.update("guest \(boots.count + 1) of \(all): \(guest.name)", done: boots.count, of: all)
        guard let boot = try run.run(guest, files) else { break outer }
        boots.append(boot)
      }
    }
    return GuestReport(
      machine: machine, parameters: parameters, accelerator: accelerator, whyNotKVM: reason,
      whyNotCounted: files.whyNotCounted, boots: boots, interrupted: Interrupt.isRequested)
  }

  /// What is to run the guests, and why it is not KVM where that was not asked for.
  private func accelerator(
    _ files: borrowing GuestFiles
  ) throws(BenchError) -> (GuestAccelerator, reason: String?) {
    guard parameters.accelerator != .tcg else { return (.tcg, "software emulation was asked for (--accel tcg)") }
    guard parameters.architecture == .x86 else { return (.tcg, "the guest is \(parameters.architecture.name)") }
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
