/// Which lock CPUs meet at, and what they do between.
package enum LockModel: String, CaseIterable, Codable, Sendable, NamedChoice {
  /// swiotlb with one area for all CPUs.
  case swiotlbOneArea = "swiotlb-one-area"
  /// swiotlb with an area each.
  case swiotlbPerCPU = "swiotlb-per-cpu"
  /// IOVAs up to 128 KiB, freed on the CPU that took them.
  case iovaMagazines = "iova-magazines"
  /// IOVAs up to 128 KiB, every one freed on another CPU: full magazines go through the depot.
  case iovaDepot = "iova-depot"
  /// IOVAs beyond 128 KiB: the tree's one lock.
  case iovaTree = "iova-tree"
  /// A request to the unit, waited for, at each unmap.
  case invalidationStrict = "invalidation-strict"
  /// One in 255 unmaps of a CPU.
  case invalidationLazy = "invalidation-lazy"

  package static let noun = "model"

  // Lines that a critical section takes over from the last holder, beside the lock's own: slot lengths; a magazine's
  // words; the tree's head and a path from its root, of seven nodes where 128 ranges are out; descriptors and tail.
  private static let areaLines = 1.0
  private static let depotLines = 1.0
  private static let treeLines = 8.0
  private static let queueLines = 2.0
  // Ranges of a magazine, and entries of a flush queue.
  private static let magazine = 127
  private static let flushQueue = 255

  /// A map and an unmap of one buffer.
  package func operation(_ costs: PrimitiveTable) -> SimulatedOperation {
    let driver = SimulatedStep.work(costs.cost(.driver))
    let copy = SimulatedStep.work(costs.cost(.copy))
    let pages = SimulatedStep.work(costs.cost(.pageTable))
    let take = SimulatedStep.locked(isOwn: true, costs.cost(.magazineTake), lines: 0)
    let give = SimulatedStep.locked(isOwn: true, costs.cost(.magazineGive), lines: 0)
    // A CPU's own magazines are not contended.
    let mapped = SimulatedOperation(steps: [driver, take, pages, give]).duration
    let ask = [
      SimulatedStep.locked(isOwn: false, costs.cost(.post), lines: Self.queueLines), .served(costs.cost(.serve)),
    ]
    switch self {
    case .swiotlbOneArea, .swiotlbPerCPU:
      let isOwn = self == .swiotlbPerCPU
      return SimulatedOperation(steps: [
        driver, .locked(isOwn: isOwn, costs.cost(.swiotlbTake), lines: Self.areaLines), copy,
        .locked(isOwn: isOwn, costs.cost(.swiotlbGive), lines: Self.areaLines),
      ])
    case .iovaMagazines: return SimulatedOperation(steps: [driver, take, pages, give])
    case .iovaDepot:
      // One magazine in where the ranges are freed, one out where they are taken.
      let exchange = SimulatedStep.locked(isOwn: false, costs.cost(.depot), lines: Self.depotLines)
      return SimulatedOperation(
        steps: [.work(Double(Self.magazine) * mapped), exchange, exchange], count: Self.magazine)
    case .iovaTree:
      return SimulatedOperation(steps: [
        driver, .locked(isOwn: false, costs.cost(.treeTake), lines: Self.treeLines), pages,
        .locked(isOwn: false, costs.cost(.treeGive), lines: Self.treeLines),
      ])
    case .invalidationStrict: return SimulatedOperation(steps: [driver, take, pages] + ask + [give])
    case .invalidationLazy:
      return SimulatedOperation(steps: [.work(Double(Self.flushQueue) * mapped)] + ask, count: Self.flushQueue)
    }
  }
}

/// What each simulated CPU does over and over.
package struct SimulatedOperation: Equatable, Sendable {
  let steps: [SimulatedStep]
  /// How many maps and unmaps one pass through the steps stands for: more than 1 where something happens once in so
  /// many.
  var count = 1

  /// Nanoseconds of a pass on a CPU alone.
  package var duration: Double { sum { _ in true } }

  /// By how much CPUs together can surpass one alone at most.
  ///
  /// p / h, where a lock that all of them need is held for h of a period p, or a unit works for h; `nil` where nothing
  /// is shared.
  package var saturation: Double? {
    let busiest = max(
      sum { if case .locked(false, _, _) = $0 { true } else { false } },
      sum { if case .served = $0 { true } else { false } })
    return busiest > 0 ? duration / busiest : nil
  }

  private func sum(_ isCounted: (SimulatedStep) -> Bool) -> Double {
    steps.filter(isCounted).map {
      switch $0 {
      case .work(let time), .locked(_, let time, _), .served(let time): time
      }
    }.reduce(0, +)
  }
}

/// One step of a simulated operation.
enum SimulatedStep: Equatable, Sendable {
  /// Nothing that others could be in the way of.
  case work(Double)
  /// Holds a lock, the one of its kind or the CPU's own, for that long.
  ///
  /// `lines`: cache lines behind the lock that must be fetched when another CPU held it last.
  case locked(isOwn: Bool, Double, lines: Double)
  /// Waits for the unit, which serves one request after the other.
  case served(Double)
}
