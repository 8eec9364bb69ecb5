import Testing

@testable import BenchHarness

@Suite struct ContentionSimulatorTests {
  /// 900 ns alone, then a lock for 100: ten CPUs are what it can take.
  private let tenth = SimulatedOperation(steps: [.work(900), .locked(isOwn: false, 100, lines: 1)])

  private func run(
    _ operation: SimulatedOperation, _ cpus: Int, transfer: Double = 0, length: Int = 1_000, seed: UInt64 = 1
  ) -> SimulationResult {
    var simulator = ContentionSimulator(operation, cpus: cpus, transfer: transfer, length: length, seed: seed)
    return simulator.run()
  }

  private func scaling(_ operation: SimulatedOperation, _ cpus: Int, transfer: Double = 0) -> Double {
    run(operation, cpus, transfer: transfer).operationsPerSecond / run(operation, 1).operationsPerSecond
  }

  @Test func aSeedGivesTheSameRunAgain() {
    for cpus in [1, 7, 64] {
      let first = run(tenth, cpus, transfer: 30, seed: 7)
      #expect(first == run(tenth, cpus, transfer: 30, seed: 7))
      if cpus > 1 { #expect(first != run(tenth, cpus, transfer: 30, seed: 8)) }
    }
  }

  @Test(arguments: LockModel.allCases)
  func oneCPUWaitsForNobody(model: LockModel) {
    let operation = model.operation(Self.costs)
    let alone = run(operation, 1, transfer: 50)
    #expect(alone.lockWaitShare == 0)
    #expect(alone.operations >= 1_000)
    #expect(abs(alone.operationsPerSecond * operation.duration / Double(operation.count) / 1e9 - 1) < 0.01)
  }

  /// p / h: below it CPUs hardly feel each other, at it the lock never rests, above it nothing is gained.
  @Test func aLockSaturatesWherePeriodByHoldSays() {
    #expect(tenth.saturation == 10)
    #expect(scaling(tenth, 2) > 1.95)
    let bound = 1.001 * 10.0
    for cpus in [16, 32, 64, 128] {
      let factor = scaling(tenth, cpus)
      #expect(factor > 9.9 && factor <= bound, "\(cpus) CPUs: \(factor)")
    }
    // Beyond it each one waits for all the others: 1 - (p / h) / n of the time.
    #expect(abs(run(tenth, 100).lockWaitShare - 0.9) < 0.01)
  }

  @Test func aUnitSaturatesLikeALock() {
    let operation = SimulatedOperation(steps: [.work(300), .served(100)])
    #expect(operation.saturation == 4)
    let factor = scaling(operation, 32)
    #expect(factor > 3.95 && factor <= 4.01)
    // Its own work is part of what a CPU waits for.
    #expect(abs(run(operation, 1).unitWaitShare - 0.25) < 0.01)
  }

  @Test func whatNobodySharesScalesByItself() {
    let own = SimulatedOperation(steps: [.work(500), .locked(isOwn: true, 500, lines: 4)])
    #expect(own.saturation == nil)
    for cpus in [2, 16, 128] {
      let result = run(own, cpus, transfer: 200)
      #expect(result.lockWaitShare == 0)
      #expect(abs(result.operationsPerSecond / run(own, 1).operationsPerSecond / Double(cpus) - 1) < 0.01)
    }
  }

  @Test func moreOfAnythingInTheWayIsNeverFaster() {
    for cpus in [2, 8, 32] {
      var last = Double.infinity
      for transfer in [0.0, 20, 80, 320] {
        let rate = run(tenth, cpus, transfer: transfer).operationsPerSecond
        #expect(rate <= last * 1.01)
        last = rate
      }
      last = .infinity
      for hold in [50.0, 100, 200, 400] {
        let operation = SimulatedOperation(steps: [.work(900), .locked(isOwn: false, hold, lines: 1)])
        let rate = run(operation, cpus, transfer: 20).operationsPerSecond
        #expect(rate <= last * 1.01)
        last = rate
      }
    }
    // Without lines to move a further CPU never costs throughput, and always costs waiting.
    var (rate, wait) = (0.0, -0.001)
    for cpus in [1, 2, 4, 8, 16, 32] {
      let result = run(tenth, cpus)
      #expect(result.operationsPerSecond >= rate * 0.999 && result.lockWaitShare > wait)
      (rate, wait) = (result.operationsPerSecond, result.lockWaitShare)
    }
  }

  @Test func theModelsOrderAsTheirLocksDo() {
    func scaled(_ model: LockModel) -> Double { scaling(model.operation(Self.costs), 32, transfer: 50) }
    #expect(scaled(.swiotlbPerCPU) > 31 && scaled(.swiotlbOneArea) < 8)
    #expect(scaled(.iovaMagazines) > 31 && scaled(.iovaDepot) <= scaled(.iovaMagazines))
    #expect(scaled(.iovaTree) < scaled(.iovaDepot))
    #expect(scaled(.invalidationStrict) < scaled(.invalidationLazy) / 4)
  }

  @Test func eventsComeInOrderAndEqualOnesAsTheyWereAdded() {
    var queue = EventQueue<Int>()
    var random = SeededGenerator(seed: 3)
    let times = (0..<1_000).map { _ in Double(random.next() % 50) }
    for (number, time) in times.enumerated() { queue.add(number, at: time) }
    var taken: [(Double, Int)] = []
    while let (time, number) = queue.next() { taken.append((time, number)) }
    let expected = times.enumerated().sorted { ($0.element, $0.offset) < ($1.element, $1.offset) }.map(\.offset)
    #expect(taken.map(\.1) == expected)
  }

  private static let costs: PrimitiveTable = {
    var table = PrimitiveTable()
    let times: [Primitive: Double] = [
      .driver: 50, .copy: 60, .swiotlbTake: 20, .swiotlbGive: 20, .magazineTake: 5, .magazineGive: 5, .depot: 300,
      .treeTake: 40, .treeGive: 60, .pageTable: 40, .post: 20, .serve: 60, .lineTransfer: 50,
    ]
    for (name, time) in times { table[name] = PrimitiveCost(nanoseconds: time, source: .injected) }
    return table
  }()
}
