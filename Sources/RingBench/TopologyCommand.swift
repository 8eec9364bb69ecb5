#if Bench
import ArgumentParser
import BenchHarness
import BenchReport
import Glibc

/// `ringbench topology`: what this machine is, and what it cannot show.
struct TopologyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topology",
    abstract: "Prints nodes, CPUs, caches, huge pages, the round trip between two CPUs, and what is missing.",
    usage: "ringbench topology [options]")

  @OptionGroup var cpus: CPUOptions
  @OptionGroup var report: ReportOptions

  @Option(help: "Milliseconds to probe the round trip for.")
  var probeMs = 1_000

  func run() throws {
    let start = RunStart(of: "topology")
    let destination = try report.destination()
    try (1...60_000).check(probeMs, "--probe-ms")
    let machine = Machine.read()
    try destination.write(start, areTimes: false) { _ in
      TopologyReport(machine: machine, roundTrip: try measure(on: machine), lacks: MachineLacks.list(machine))
    }
  }

  // A machine with one CPU still has a topology.
  private func measure(on machine: Machine) throws(BenchError) -> RoundTripSummary? {
    guard let (driver, device) = try cpus.pairIfAny(on: machine) else { return nil }
    let samples = try RoundTripProbe.sample(driver: driver, device: device, milliseconds: probeMs)
    return RoundTripSummary(samples, driver: driver, device: device, machine: machine)
  }
}
#endif
