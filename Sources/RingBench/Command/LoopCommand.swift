import ArgumentParser
import RingKit

/// `ringbench loop`: both ends on one thread, for instruction counts and for looking at the generated code.
struct LoopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loop", abstract: "Runs both ends of a ring on one thread, for instruction counters.",
    shouldDisplay: false)

  @Option var ring = "split"
  @Option var path = "direct"
  @Option var direction = "device-readable"
  @Option(parsing: .unconditional) var rounds = 20_000
  @Option(parsing: .unconditional) var batch = 32
  @Flag var inOrder = false

  func run() throws {
    let machine = Machine.read()
    var parameters = CostParameters()
    parameters.rings = [try RingLayout.parse(ring)]
    parameters.paths = [try DMAPath.parse(path)]
    parameters.directions = [try DMADirection.parse(direction)]
    parameters.sizes = [64]
    parameters.batch = batch
    parameters.depth = 128
    parameters.features = inOrder ? [.inOrder] : []
    guard (1...128).contains(batch), rounds > 0, !machine.cpus.isEmpty else {
      throw BenchError.usage("--batch is 1 to 128 and --rounds at least 1")
    }
    var factory = ContenderFactory(
      parameters: parameters, guest: try BenchGuest(parameters), servedBy: .waiter)
    let key = CostKey(
      ring: parameters.rings[0], path: parameters.paths[0], direction: parameters.directions[0], bytes: 64)
    let contender = try factory.make(key, counter: NoWork())
    let best = try contender.runOnOneThread(rounds)
    let buffers = Double(batch)
    StandardStream.output.write(
      """
      \(key.label), batch \(batch), best of \(rounds) rounds on one thread, ns per buffer:
      add and publish \(NumberText.fixed(best.add / buffers, 1)), consume and complete \
      \(NumberText.fixed(best.serve / buffers, 1)), reclaim \(NumberText.fixed(best.reclaim / buffers, 1))

      """)
  }
}
