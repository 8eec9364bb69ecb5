import Synchronization
import TestTraits
import Testing

@testable import BenchHarness

@Suite(.oneAtATime) struct SliceSizeTests {
  /// Runs 12 slices of 1.28 ms, in batches of 128, whose buffers cost what `cost` says of each slice; returns how many
  /// each had.
  private func sizes(_ cost: @escaping @Sendable (_ slice: Int) -> Int) throws -> [Int] {
    // Each contender runs so often before its slices are as long as they should be.
    let trials = 6
    let counts = Mutex<[Int]>([])
    let contender = Contender(
      "any",
      DriverEnd { count, _ throws(SliceFailure) in
        let number = counts.withLock { counts in
          counts.append(count)
          return counts.count
        }
        return UInt64(count * cost(number - trials))
      },
      DeviceEnd { gate throws(SliceFailure) in while !gate.isSliceOver {} })
    let cpus = Machine.read().cpus
    let schedule = try SliceSchedule(
      counted: [], timed: [contender], groups: [0..<1], rounds: 12, sliceMilliseconds: 1.28, timeLimit: 3600,
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
}
