#if Bench
import ArgumentParser
import BenchHarness

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

  /// The pair, or `nil` on a machine of one CPU: only a pair that was named must exist.
  func pairIfAny(on machine: Machine) throws(BenchError) -> (driver: Int, device: Int)? {
    machine.cpus.count < 2 && driverCpu == nil && deviceCpu == nil ? nil : try pair(on: machine)
  }
}

/// What several commands refuse in the same words.
enum OptionCheck {
  /// Bytes of a block request.
  static func sectors(_ text: String, upTo most: (bytes: Int, name: String)) throws(BenchError) -> Int {
    let bytes = try ByteCount.parse(text)
    guard bytes >= 512, bytes % 512 == 0, bytes <= most.bytes else {
      throw .usage("--size is a multiple of 512 bytes up to \(most.name), not \(text)")
    }
    return bytes
  }
}

/// The path of a socket, as the kernel takes it.
enum SocketPath {
  /// Refuses one that is empty or too long.
  static func check(_ path: String, _ option: String) throws(BenchError) {
    guard (1...107).contains(path.utf8.count) else {
      throw .usage("a socket's path has 1 to 107 bytes, not \(path.utf8.count) (\(option))")
    }
  }
}

extension ClosedRange where Bound == Double {
  /// Refuses a number that an option does not take; both ends are told without a fraction of 0.
  func check(_ number: Double, _ option: String) throws(BenchError) {
    let text = { (bound: Double) in Int(exactly: bound).map { "\($0)" } ?? "\(bound)" }
    guard contains(number) else {
      throw .usage("\(option) is \(text(lowerBound)) to \(text(upperBound)), not \(number)")
    }
  }
}

extension ClosedRange where Bound: BinaryInteger {
  /// Refuses a number that an option does not take.
  func check(_ number: Bound, _ option: String) throws(BenchError) {
    guard contains(number) else { throw .usage("\(option) is \(lowerBound) to \(upperBound), not \(number)") }
  }
}
#endif
