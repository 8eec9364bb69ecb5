import Synchronization
import TestTraits
import Testing

@testable import BenchHarness

@Suite(.oneAtATime) struct SliceSizeTests {
  /// Runs 12 slices of 1.28 ms, in batches of 128, whose buffers cost what `cost` says of each slice; returns how many
  /// each had.
  private func sizes(_ cost: @escaping @Sendable (_ slice: Int) -> Int) throws -> [Int] {
    // Each case runs so often before its slices are as long as they should be.
    let trials = 6
    let counts = Mutex<[Int]>([])
    let benchCase = BenchCase(
      "any",
      DriverEnd { count, _ throws(SliceFailure) in
        let number = counts.withLock { counts in
          counts.append(count)
          return counts.count
        }
        return UInt64(count * cost(number - trials))
      },
      DeviceEnd { barrier throws(SliceFailure) in while !barrier.isSliceOver {} })
    let cpus = Machine.read().cpus
    let schedule = try SliceSchedule(
      counted: [], timed: [benchCase], groups: [0..<1], rounds: 12, sliceMilliseconds: 1.28, timeLimit: 3600,
      driverCPU: cpus[0], deviceCPU: cpus[cpus.count - 1], source: { CPUState(roundTrip: 100) })
    #expect(try SliceSession(schedule).run(progress: Progress()).records.count == 12)
    return counts.withLock { Array($0.dropFirst(trials)) }
  }

  @Test func followTheCostOfTheLastSlice() throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    let sizes = try sizes { (4..<8).contains($0) ? 1000 : 100 }
    #expect(sizes == [12_800, 12_800, 12_800, 12_800, 1280, 1280, 1280, 1280, 12_800, 12_800, 12_800, 12_800])
  }

  @Test func stayWhereTheCostVariesAsItDoes() throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    let sizes = try sizes { $0 % 2 == 0 ? 180 : $0 > 0 ? 60 : 100 }
    #expect(Set(sizes) == [12_800])
  }

  @Test func areWholeBatches() throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    let sizes = try sizes { $0 >= 3 ? 100_000 : 70 }
    #expect(sizes == [18_176, 18_176, 18_176] + Array(repeating: 128, count: 9))
  }

  @Test func shrinkWhereABufferTakesLong() throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    // 0.2 ms: 128 of them would take longer than a run may go on without a look at the clock.
    #expect(Set(try sizes { _ in 200_000 }) == [6])
    #expect(Set(try sizes { _ in 10_000_000 }) == [1])
  }

  /// The buffers that go round at once, whatever a slice has.
  @Test func goRoundInStepsThatCanBeBrokenOffBetween() {
    let benchCase = BenchCase("any", DriverEnd { _, _ throws(SliceFailure) in 0 }, DeviceEnd())
    #expect(benchCase.step(of: 4_080) == 4_080)
    benchCase.firstStep = 32
    #expect(benchCase.step(of: 4_080) == 32 && benchCase.step(of: 7) == 7)
    benchCase.size(10e9, at: 100)
    #expect(benchCase.buffersPerSlice == 100_000_000 && benchCase.step(of: benchCase.buffersPerSlice) == 199_936)
    benchCase.size(3e6, at: 15e6)
    #expect(benchCase.buffersPerSlice == 1 && benchCase.step(of: 64) == 1)
    benchCase.granule = benchCase.batchMultiple
    benchCase.size(3e6, at: 15e6)
    #expect(benchCase.buffersPerSlice == 128 && benchCase.step(of: 256) == 128, "a floor has whole batches alone")
  }

  private func run(_ rounds: Int, _ timeLimit: Double, cost: UInt64, state: CPUState) throws -> (
    SliceSchedule, SliceRun
  ) {
    let benchCase = BenchCase(
      "any", DriverEnd { count, _ throws(SliceFailure) in UInt64(count) * cost },
      DeviceEnd { barrier throws(SliceFailure) in while !barrier.isSliceOver {} })
    let cpus = Machine.read().cpus
    let schedule = try SliceSchedule(
      counted: [benchCase], timed: [benchCase], groups: [0..<1], rounds: rounds, sliceMilliseconds: 1,
      timeLimit: timeLimit, driverCPU: cpus[0], deviceCPU: cpus[cpus.count - 1], source: { state })
    return (schedule, try SliceSession(schedule).run(progress: Progress()))
  }

  @Test func areNeverMoreThanThereAreSaidToBe() throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    for ticks in [0, 1] as [UInt64] {
      let state = CPUState(roundTrip: 100, stolenTicks: ticks)
      let (schedule, run) = try run(12, 3600, cost: 100, state: state)
      // Where each is disturbed, three times as many.
      #expect(run.records.count == (ticks == 0 ? 12 : 36))
      #expect(schedule.planned.load(ordering: .relaxed) == run.records.count)
    }
  }

  @Test func fitIntoTheTimeThereIs() throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    // An hour a slice, by what it says of itself, in a run of an hour.
    let (schedule, run) = try run(12, 3600, cost: 3_600_000_000_000, state: CPUState(roundTrip: 100))
    #expect(run.records.count == 12 && schedule.timed[0].buffersPerSlice == 1)
  }

  @Test func areNoneWhereTheTimeIsOverBefore() throws {
    guard Machine.read().cpus.count > 1 else { return print("skipped: one CPU") }
    let (_, run) = try run(6, 0, cost: 100, state: CPUState(roundTrip: 100))
    #expect(run.records.isEmpty && run.counters.isEmpty && run.failure == nil)
  }
}
