#if Bench
import BenchHarness
import BenchPaths
import BenchReport

extension RingOptions {
  /// What the options mean on this machine, or the one reason why they mean nothing.
  func parameters(on machine: Machine) throws(BenchError) -> RingParameters {
    guard (1...100_000).contains(slices) else { throw .usage("--slices is 1 to 100000, not \(slices)") }
    guard sliceMs >= 0.1, sliceMs <= 10_000 else { throw .usage("--slice-ms is 0.1 to 10000, not \(sliceMs)") }
    guard timeLimit > 0 else { throw .usage("--time-limit is a number of seconds above 0, not \(timeLimit)") }
    guard (0...100_000_000).contains(roundTrips) else {
      throw .usage("--round-trips is 0 to 100000000, not \(roundTrips)")
    }
    let all = try combinations()
    let points = all.filter(\.isPossible)
    guard !points.isEmpty else {
      throw .usage(
        "no ring can hold any of these: a batch fits into what is outstanding, that times the chain into the queue, a split queue is a power of two, and an indirect table needs a chain of 2 or more"
      )
    }
    let (driver, device) = try cpus.pair(on: machine)
    return RingParameters(
      points: points, impossible: all.count - points.count, driverCPU: driver, deviceCPU: device, slices: slices,
      sliceMilliseconds: sliceMs, timeLimit: timeLimit, roundTrips: roundTrips, seed: seed)
  }

  /// The placement class that the text was asked to show.
  func shownClass() throws(BenchError) -> PlacementClass? {
    guard let placement else { return nil }
    return try PlacementClass.parse(placement)
  }

  private func combinations() throws(BenchError) -> [RingPoint] {
    let rings = ring.isEmpty ? RingLayout.allCases : try RingLayout.parse(list: ring)
    let orders = inOrder.isEmpty ? [Switch.off, .on] : try Switch.parse(list: inOrder)
    let batches = try numbers(batch, or: [1, 32], 1...32_768, "--batch")
    let sizes = try numbers(queueSize, or: [256], 1...32_768, "--queue-size")
    let chains = try numbers(chain, or: [1], 1...LoadPlan.mostSegments, "--chain")
    let tables = indirect.isEmpty ? [Switch.off] : try Switch.parse(list: indirect)
    let events = eventIdx.isEmpty ? [Switch.off] : try Switch.parse(list: eventIdx)
    let modes = notification.isEmpty ? [NotificationMode.polling] : try NotificationMode.parse(list: notification)
    var points: [RingPoint] = []
    for ring in rings {
      for order in orders {
        for size in sizes {
          for chain in chains {
            for table in tables {
              for batch in batches {
                for outstanding in try depths(size, table.isOn ? 1 : chain) {
                  for event in events {
                    for mode in modes {
                      points.append(
                        RingPoint(
                          ring: ring, inOrder: order.isOn, batch: batch, queueSize: size, outstanding: outstanding,
                          chain: chain, indirect: table.isOn, eventIndex: event.isOn, notification: mode))
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
    return points
  }

  /// Buffers outstanding in a ring of that size; `full` depends on what each takes.
  private func depths(_ size: Int, _ descriptors: Int) throws(BenchError) -> [Int] {
    let elements = outstanding.isEmpty ? ["1", "full"] : ListArgument.elements(outstanding)
    var depths: [Int] = []
    for element in elements {
      let depth = element == "full" ? size / descriptors : Int(element) ?? 0
      guard depth >= 1 else { throw .usage("--outstanding takes numbers from 1 on, or full, not '\(element)'") }
      if !depths.contains(depth) { depths.append(depth) }
    }
    return depths
  }

  private func numbers(
    _ arguments: [String], or standard: [Int], _ range: ClosedRange<Int>, _ option: String
  ) throws(BenchError) -> [Int] {
    guard !arguments.isEmpty else { return standard }
    var numbers: [Int] = []
    for element in ListArgument.elements(arguments) {
      guard let number = Int(element), range.contains(number) else {
        throw .usage("\(option) is \(range.lowerBound) to \(range.upperBound), not '\(element)'")
      }
      if !numbers.contains(number) { numbers.append(number) }
    }
    guard !numbers.isEmpty else { throw .usage("an empty list for \(option)") }
    return numbers
  }
}
#endif
