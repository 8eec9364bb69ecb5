#if Bench
import ArgumentParser
import BenchPaths
import BenchPlan
import RingIOMMU
import RingKit

/// `ringbench loop`: both ends on one thread, for instruction counts and for looking at the generated code.
///
/// For an instruction counter nothing here depends on the machine or on time: the parameters do not look at its CPUs,
/// what is deferred is flushed when the flush queue is full, and spare IOVA ranges are kept.
struct LoopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loop", abstract: "Runs both ends of a ring on one thread, for instruction counters.",
    shouldDisplay: false)

  private static let bytes = 64

  @Option var ring = ["split"]
  @Option var path = ["direct"]
  @Option var direction = ["device-readable"]
  @Option(parsing: .unconditional) var rounds = 20_000
  @Option(parsing: .unconditional) var batch = 32
  @Option(parsing: .unconditional) var depth = 128
  @Flag var inOrder = false

  func run() throws {
    Interrupt.endAtOnce()
    guard (1...256).contains(depth), (1...depth).contains(batch), rounds > 0 else {
      throw BenchError.usage("--depth is 1 to 256, --batch at most the depth and --rounds at least 1")
    }
    for ring in try RingLayout.parse(list: ring) {
      for path in try DMAPath.parse(list: path) {
        for direction in try DMADirection.parse(list: direction) {
          try run(CostKey(ring: ring, path: path, direction: direction, bytes: Self.bytes))
        }
      }
    }
  }

  /// As many rounds to warm up as are then looked at: a profiler sees two calls of ``SingleThreadLoop/runRounds``.
  private func run(_ key: CostKey) throws {
    var parameters = CostParameters()
    parameters.rings = [key.ring]
    parameters.paths = [key.path]
    parameters.directions = [key.direction]
    parameters.sizes = [key.bytes]
    parameters.batch = batch
    parameters.depth = depth
    parameters.features = inOrder ? [.inOrder] : []
    // Another process would be counted nowhere, and would have no CPU of its own.
    parameters.iommu.viommuPrice = .injected
    // Nothing is pinned here. A depot of IOVA ranges gives back, by the clock, what it holds beyond one magazine a CPU.
    parameters.deviceCPU = 63
    // Given, because a threshold that is measured depends on time; the loop's buffers are copied.
    parameters.hybridThreshold = 4096
    var factory = CaseFactory(
      parameters: parameters, guest: try BenchGuest(parameters), servedBy: .waiter, flushInterval: .max)
    let benchCase = try factory.make(key)
    _ = try benchCase.runOnOneThread(rounds)
    let best = try benchCase.runOnOneThread(rounds)
    benchCase.close()
    let buffers = Double(batch)
    StandardStream.output.write(
      """
      \(key.label), batch \(batch), best of \(rounds) rounds on one thread, ns per buffer:
      add and publish \(NumberText.fixed(best.add / buffers, 1)), consume and complete \
      \(NumberText.fixed(best.serve / buffers, 1)), reclaim \(NumberText.fixed(best.reclaim / buffers, 1))

      """)
  }
}
#endif
