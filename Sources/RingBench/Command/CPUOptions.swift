#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport

/// Which CPU each of the two threads is pinned to.
struct CPUOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "CPU of the driver thread (default: the first usable one).")
  var driverCpu: Int?

  @Option(parsing: .unconditional, help: "CPU of the device thread (default: the next usable one).")
  var deviceCpu: Int?

  /// The pair, or why this machine has no such pair.
  func pair(on machine: Machine) throws(BenchError) -> (driver: Int, device: Int) {
    for cpu in [driverCpu, deviceCpu].compactMap({ $0 }) where !machine.cpus.contains(cpu) {
      throw .machine("this process cannot run on CPU \(cpu); it may use: \(CPUList.text(machine.cpus))")
    }
    if let driverCpu, driverCpu == deviceCpu {
      throw .usage("driver and device need a CPU each, not both CPU \(driverCpu)")
    }
    guard let driver = driverCpu ?? machine.cpus.first(where: { $0 != deviceCpu }),
      let device = deviceCpu ?? machine.cpus.first(where: { $0 != driver })
    else {
      throw .machine("driver and device need a CPU each; this process may use only: \(CPUList.text(machine.cpus))")
    }
    return (driver, device)
  }
}
#endif
