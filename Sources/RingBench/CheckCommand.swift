#if Bench
import ArgumentParser
import BenchHarness
import BenchPage
import BenchReport

/// `ringbench check`: what on this machine would disturb a measurement.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Tells what on this machine would disturb a measurement, and what to do about it; changes nothing.",
    usage: "ringbench check [options]",
    discussion: """
      One line each on governor, boost, SMT, isolation, load, other users of the two CPUs, interrupts, CPU quota, \
      stolen time, clock source, transparent and huge pages, NUMA balancing, and what a container hides. What the \
      kernel does not show has no line.

      Examples:
        ringbench check
        ringbench check --driver-cpu 0 --device-cpu 1 --strict
      """)

  @OptionGroup var cpus: CPUOptions
  @OptionGroup var report: ReportOptions

  @Flag(help: "End with 3 when something would disturb a measurement.")
  var strict = false

  func run() throws {
    Interrupt.endAtOnce()
    let destination = try report.destination(isResult: false)
    let machine = Machine.read()
    let pair = try cpus.pairIfAny(on: machine)
    let numbers = pair.map { [$0.driver, $0.device] } ?? machine.cpus
    let report = CheckReport(cpus: numbers, findings: MachineCheck(cpus: numbers).findings())
    try destination.write(report) { report.text(width: $0) }
    if strict, let refusal = report.refusal { throw BenchError.machine(refusal) }
  }
}
#endif
