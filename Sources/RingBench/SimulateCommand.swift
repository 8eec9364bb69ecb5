#if Bench
import ArgumentParser
import BenchPlan
import BenchReport
import BenchRuns

/// `ringbench simulate`: what the locks would do on machines with more CPUs than this one.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Predicts, by a simulation in virtual time, how the locks of a path scale to 128 CPUs.",
    discussion: """
      Nothing here is a measurement of many CPUs. Costs of the real code are timed on one thread; a simulation lets 1 \
      to 128 CPUs meet at the lock, the tree, the depot or the invalidation queue. --check holds it against real \
      threads.

      Examples:
        ringbench simulate --check
        ringbench simulate --model swiotlb-one-area,swiotlb-per-cpu --cpus 1,8,64
        ringbench simulate --model invalidation-strict --primitive serve=700
      """)

  @OptionGroup(title: OptionTitle.what) var what: SimulateOptions
  @OptionGroup(title: OptionTitle.location) var cpus: CPUOptions

  @OptionGroup(title: OptionTitle.output) var report: ReportOptions

  func run() throws {
    let start = RunStart(of: "simulate")
    let destination = try report.destination()
    let machine = Machine.read()
    let parameters = try what.parameters(cpus, on: machine)
    try destination.write(start, cpus: [parameters.driverCPU, parameters.deviceCPU].compactMap { $0 }) { progress in
      try SimulationRun(parameters: parameters, machine: machine).run(progress: progress)
    }
  }
}

/// What is simulated, as text.
struct SimulateOptions: ParsableArguments {
  @Option(help: "\(LockModel.names). \(OptionTitle.lists) (default: all)", completion: LockModel.completion)
  var model: [String] = []

  @Option(
    name: .customLong("cpus"), parsing: .unconditionalSingleValue,
    help: "Simulated CPUs, 1 to 128. \(OptionTitle.lists) (default: 1,2,4,8,16,32,64,128)")
  var simulatedCpus: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: "A cost in ns instead of the measured one, NAME=NS. Names: \(Primitive.names). \(OptionTitle.lists)")
  var primitive: [String] = []

  @Option(parsing: .unconditional, help: "Virtual time, in operations of one CPU alone.")
  var operations = 2_000

  @Flag(help: "Also run real threads at the same locks, on 1 and 2 CPUs, and print predicted beside measured.")
  var check = false

  @Option(parsing: .unconditional, help: "Seed of everything random.")
  var seed: UInt64 = 1

  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(_ cpus: CPUOptions, on machine: Machine) throws(BenchError) -> SimulateParameters {
    var parameters = SimulateParameters()
    if !model.isEmpty { parameters.models = try LockModel.parse(list: model) }
    if !simulatedCpus.isEmpty {
      parameters.cpus = try ListArgument.numbers(simulatedCpus, 1...128, "--cpus", of: " simulated CPUs").sorted()
    }
    try (10...1_000_000).check(operations, "--operations")
    parameters.operations = operations
    parameters.given = try costs()
    parameters.isChecked = check
    parameters.seed = seed
    if let pair = try cpus.pairIfAny(on: machine) {
      (parameters.driverCPU, parameters.deviceCPU) = (pair.driver, pair.device)
    } else {
      parameters.driverCPU = machine.cpus.first ?? 0
    }
    return parameters
  }

  private func costs() throws(BenchError) -> [Primitive: Double] {
    var costs: [Primitive: Double] = [:]
    for text in try ListArgument.elements(primitive) {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw .usage("--primitive is NAME=NS, not '\(text)'") }
      let name = try Primitive.parse(String(parts[0]))
      guard let time = Double(parts[1]), time.isFinite, (0...1e9).contains(time) else {
        throw .usage("\(name.name) costs 0 to 1e9 ns, not '\(parts[1])'")
      }
      guard costs.updateValue(time, forKey: name) == nil else { throw .usage("\(name.name) is in the list twice") }
    }
    return costs
  }
}
#endif
