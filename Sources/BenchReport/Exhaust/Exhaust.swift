import BenchDocument
import RingKit

/// What an `exhaust` run counts: parsed, checked, free of the command line.
package struct ExhaustParameters: Encodable, Sendable {
  package var modes: [ExhaustMode] = ExhaustMode.allCases
  package var rings: [RingLayout] = [.split]
  package var pools: [Int] = [256 << 10, 1 << 20, 4 << 20]
  package var areas: [Int] = [1, 2]
  package var depths: [Int] = [32, 128]
  package var sizes: [Int] = [1_500, 4_096, 65_536, 262_145]
  package var directions: [DMADirection] = [.deviceReadable]
  package var queueSize = 256
  /// Buffers the device serves at a time.
  package var batch = 32
  /// Buffers of each case.
  package var buffers = 2_048
  package var driverCPU = 0
  package var deviceCPU = 1

  package init() {}

  /// Every combination, the modes of one next to each other; what comes to the same is counted once.
  package var cases: [ExhaustCase] {
    var cases: [ExhaustCase] = []
    for ring in rings {
      for direction in directions {
        for pool in pools {
          for bytes in sizes {
            for depth in depths { cases += variants(ring, direction, pool: pool, bytes: bytes, depth: depth) }
          }
        }
      }
    }
    return cases
  }

  private func variants(
    _ ring: RingLayout, _ direction: DMADirection, pool: Int, bytes: Int, depth: Int
  ) -> [ExhaustCase] {
    var cases: [ExhaustCase] = []
    for areas in areas {
      for mode in modes {
        let what = ExhaustCase(
          mode: mode, ring: ring, poolBytes: pool, areas: Self.areas(areas, of: pool), depth: depth, bytes: bytes,
          direction: direction)
        // A buffer that is refused at once needs neither a second thread nor another lock.
        if what.isBeyondCeiling ? cases.isEmpty : !cases.contains(what) { cases.append(what) }
      }
    }
    return cases
  }

  /// The areas a pool gets that were asked for: a power of two, at most one a segment.
  package static func areas(_ wanted: Int, of poolBytes: Int) -> Int {
    let segments = poolBytes / SwiotlbPool.maximumMappingByteCount
    var areas = SizeLimits.powerOfTwo(atLeast: min(wanted, segments))
    while areas > segments { areas /= 2 }
    return areas
  }
}

/// What became of the maps of one combination of pool, depth and size.
///
/// That there is a row says that every buffer came back once, in order, with every byte right.
package struct ExhaustRow: Encodable, Sendable {
  let mode: ExhaustMode
  let ring: RingLayout
  let direction: DMADirection
  let poolBytes: Int
  let poolSlots: Int
  /// As the pool has them.
  let areas: Int
  let depth: Int
  let bytes: Int
  let attempts: Int
  let failures: Int
  /// Of all maps tried, 0 to 1.
  @Figure var failedShare: Double
  let retries: Int
  /// Of all buffers, 0 to 1: those that had to wait for slots.
  @Figure var delayedShare: Double
  let mostAttempts: Int
  let mostOutstanding: Int
  let highWaterSlots: Int
  @Figure var slotsSearchedPerMap: Double
  @Figure var areasSkippedPerMap: Double
  let delivered: Int
  let bytesVerified: Int
  // A run that did not recover has no rows: it ends with exit code 1.
  private let recovered = true
  /// What every map failed with, where no retry helps; the queue went on with smaller buffers then.
  @Null var error: String?

  package init(
    _ what: ExhaustCase, _ tally: ExhaustTally, poolSlots: Int, areas: Int, highWaterSlots: Int, work: WorkCounts,
    error: String?
  ) {
    (mode, ring, direction, poolBytes) = (what.mode, what.ring, what.direction, what.poolBytes)
    (self.poolSlots, self.areas, depth, bytes) = (poolSlots, areas, what.depth, what.bytes)
    (attempts, failures, retries) = (tally.attempts, tally.failures, tally.retries)
    (mostAttempts, mostOutstanding) = (tally.mostAttempts, tally.mostOutstanding)
    (delivered, bytesVerified) = (tally.delivered, tally.delivered * what.bytes)
    self.error = error
    let isMapped = error == nil
    self.highWaterSlots = isMapped ? highWaterSlots : 0
    let attempts = Double(max(tally.attempts, 1))
    failedShare = Double(tally.failures) / attempts
    delayedShare = Double(tally.delayedBuffers) / (isMapped ? Double(max(tally.delivered, 1)) : attempts)
    slotsSearchedPerMap = isMapped ? Double(work[.slotsSearched]) / attempts : 0
    areasSkippedPerMap = isMapped ? Double(work[.areasSkipped]) / attempts : 0
  }
}

/// Everything `ringbench exhaust` found.
package final class ExhaustReport: Encodable {
  package let machine: Machine
  let parameters: ExhaustParameters
  let results: [ExhaustRow]
  package let interrupted: Bool

  package init(machine: Machine, parameters: ExhaustParameters, rows: [ExhaustRow], interrupted: Bool) {
    (self.machine, self.parameters, results, self.interrupted) = (machine, parameters, rows, interrupted)
  }

  /// What the rows say together.
  fileprivate var answer: String {
    let full = results.filter { $0.error == nil && $0.failures > 0 }
    var text = "\(grouped(results.reduce(0) { $0 + $1.delivered })) buffers delivered, none lost, swapped or damaged"
    text +=
      full.isEmpty
      ? "; no pool ran full." : "; in \(full.count) of \(results.count) rows the pool ran full and the ring went on."
    if let error = results.first(where: { $0.error != nil })?.error { text += " Beyond the ceiling: \(error)." }
    return text
  }
}

/// What became of the maps, for people: one table per ring, direction and pool.
extension ExhaustReport {
  package func text() -> String {
    let parameters = parameters
    var text = "Queue \(parameters.queueSize), the device serves \(parameters.batch) at a time, "
    text += "\(grouped(parameters.buffers)) buffers a row; every byte and the order checked\n"
    for ring in parameters.rings {
      for direction in parameters.directions {
        for pool in parameters.pools {
          let rows = results.filter { $0.ring == ring && $0.direction == direction && $0.poolBytes == pool }
          text += TextTable.text(
            ">bytes|>depth|>areas|mode|>maps|>failed %|>delayed %|>tries|>outstanding|>slots|>searched|",
            rows.map(cells),
            title: "\(ring.name), \(direction.name), pool of \(NumberText.bytes(pool))")
        }
      }
    }
    return text + "\n" + Lines.caveat(interrupted: interrupted) + answer + "\n" + Lines.more("exhaust")
  }

  private func cells(_ row: ExhaustRow) -> [String] {
    [
      grouped(row.bytes), "\(row.depth)", "\(row.areas)", row.mode.name, grouped(row.attempts),
      fixed(row.failedShare * 100, 1), fixed(row.delayedShare * 100, 1), "\(row.mostAttempts)",
      "\(row.mostOutstanding)",
      "\(row.highWaterSlots) of \(row.poolSlots)", short(row.slotsSearchedPerMap),
      row.error == nil ? "" : "always: too large",
    ]
  }
}

extension ExhaustReport: PlainReport {
  package static var kind: ResultRow.Kind { .exhaust }
  package static var dimensions: Set<String> { ["bytes", "poolBytes", "areas"] }
}
