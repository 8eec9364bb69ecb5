import CRing
import TestTraits
import Testing

@testable import BenchHarness

@Suite(.oneAtATime) struct PinnedThreadTests {
  @Test func itRunsWhereItWasPut() throws {
    for cpu in Machine.read().cpus.prefix(2) {
      let thread = try PinnedThread(cpu: cpu) { Int(cring_current_cpu()) }
      #expect(thread.join() == cpu)
    }
  }

  @Test func aCPUThatIsNotThereIsAnError() {
    let error = #expect(throws: BenchError.self) { _ = try PinnedThread(cpu: 1_000_000) { 0 } }
    #expect(error?.exitCode == 3)
  }

  @Test func twoThreadsMeasureARoundTrip() throws {
    let cpus = Machine.read().cpus
    try #require(cpus.count >= 2, "needs two CPUs")
    let samples = try RoundTripProbe.sample(driver: cpus[0], device: cpus[1], milliseconds: 40)
    #expect(!samples.isEmpty)
    #expect(samples.allSatisfy { $0 > 0 })
  }
}
