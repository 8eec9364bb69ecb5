#if Bench
import Testing

@testable import BenchHarness
@testable import RingBench

/// A word that is no command, where only a command can stand.
@Suite struct CommandNamesTests {
  private func refusal(_ line: String) -> BenchError? {
    do throws(BenchError) {
      try CommandNames.check(line.split(separator: " ").map(String.init)[...], of: RingBench.self, named: "ringbench")
      return nil
    } catch { return error }
  }

  @Test(arguments: [
    ("cots", "did you mean 'ringbench cost'?"), ("help cots", "did you mean 'ringbench cost'?"),
    ("swep --size 64", "did you mean 'ringbench sweep'?"), ("toplogy", "did you mean 'ringbench topology'?"),
    ("hlep", "did you mean 'ringbench help'?"), ("device bkl", "did you mean 'ringbench device blk'?"),
    ("help device bkl", "did you mean 'ringbench device blk'?"), ("blk", "did you mean 'ringbench device blk'?"),
    ("bogus", "(see 'ringbench --help')"), ("help bogus", "(see 'ringbench --help')"),
    ("device bogus", "(see 'ringbench device --help')"),
  ])
  func isRefusedWithTheCommandThatIsMostLikeIt(line: String, hint: String) {
    let error = refusal(line)
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains(hint) == true)
    #expect(error?.message.contains("\n") == false)
    #expect(line.contains("bogus") == (error?.message.contains("did you mean") == false))
  }

  @Test(arguments: [
    "", "--help", "--size 64", "cost", "help", "help cost", "help device blk", "device --socket x", "drive blk",
    "explain swiotlb", "loop", "viommu-server", "shapes A",
  ])
  func isNotLookedForElsewhere(_ line: String) { #expect(refusal(line) == nil) }

  @Test(arguments: [
    ("cost", "cost", 0), ("cots", "cost", 1), ("ost", "cost", 1), ("coast", "cost", 1), ("", "ring", 4),
  ])
  func distancesCountLetters(a: String, b: String, distance: Int) {
    #expect(CommandNames.distance(a, b) == distance && CommandNames.distance(b, a) == distance)
  }
}
#endif
