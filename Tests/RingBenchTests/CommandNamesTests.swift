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
    ("", "cost"), ("--size 64 --version", "cost --size 64 --version"), ("-q", "cost -q"),
    ("--versions", "cost --versions"),
    ("--version", "--version"), ("-h", "-h"), ("--help", "--help"), ("help", "help"),
    ("sweep --size 1", "sweep --size 1"),
    ("--help-hidden", "--help-hidden"), ("-help", "-help"), ("--help sweep", "--help sweep"),
    ("--help --size 64", "cost --help --size 64"), ("-h -q", "cost -h -q"),
    ("--generate-completion-script=fish", "--generate-completion-script=fish"), ("bogus", "bogus"),
  ])
  func costIsMeantWhereNoCommandIsNamed(line: String, meant: String) {
    #expect(CommandNames.withDefault(line.split(separator: " ").map(String.init)).joined(separator: " ") == meant)
  }

  @Test(
    arguments: [
      ("--depth 4 --depth 8", "--depth takes one value, and is given 2 times"),
      ("cost --seed=1 --seed 2 --seed=3", "--seed takes one value, and is given 3 times"),
      ("device net --pairs 1 --pairs 1", "--pairs takes one value, and is given 2 times"),
      ("drive blk --socket a --socket b", "--socket takes one value, and is given 2 times"),
      // Lists are repeated, flags say the same again, and a depth is a list elsewhere.
      ("--path direct --path swiotlb --size 1 --size 2", nil),
      ("device blk --sealed --sealed --offer a --offer b", nil),
      ("exhaust --depth 4 --depth 8", nil), ("help cost", nil), ("", nil), ("--bogus 1 --bogus 2", nil),
    ] as [(String, String?)])
  func anOptionWithOneValueIsGivenOnce(line: String, refusal: String?) {
    var error: BenchError?
    do throws(BenchError) {
      let words = CommandNames.withDefault(line.split(separator: " ").map(String.init))
      try SingleOptions.check(words[...], of: RingBench.self)
    } catch let thrown { error = thrown }
    #expect(error?.message == refusal && error?.exitCode == refusal.map { _ in 2 })
  }

  @Test(arguments: [
    ("cost", "cost", 0), ("cots", "cost", 1), ("ost", "cost", 1), ("coast", "cost", 1), ("", "ring", 4),
  ])
  func distancesCountLetters(a: String, b: String, distance: Int) {
    #expect(CommandNames.distance(a, b) == distance && CommandNames.distance(b, a) == distance)
  }
}
#endif
