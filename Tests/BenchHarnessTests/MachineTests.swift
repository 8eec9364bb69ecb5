import BenchTestSupport
import Testing

@testable import BenchHarness

@Suite struct MachineTests {
  @Test func pairsAreReadFromTheTopology() {
    let machine = Machine.fixture
    #expect(machine.pair(0, 1) == CPUPair(areSiblings: true, shareLastLevelCache: true, shareNode: true))
    #expect(machine.pair(2, 3) == CPUPair(areSiblings: false, shareLastLevelCache: true, shareNode: true))
    #expect(machine.pair(1, 2) == CPUPair(areSiblings: false, shareLastLevelCache: false, shareNode: false))
  }

  @Test func cpuListsGoBothWays() {
    #expect(CPUList.parse("0-3,8") == [0, 1, 2, 3, 8])
    #expect(CPUList.parse("") == [])
    #expect(CPUList.parse("3-1,x") == [])
    #expect(CPUList.text([8, 0, 1, 2, 3]) == "0-3,8")
    #expect(CPUList.text([]) == "")
  }

  @Test func thisMachineHasCPUsAndANode() {
    let machine = Machine.read()
    #expect(!machine.cpus.isEmpty)
    #expect(!machine.nodes.isEmpty)
    #expect(machine.nodes.allSatisfy { $0.memoryBytes > 0 && $0.distances.count == machine.nodes.count })
    #expect(machine.kernel != "unknown")
  }

  /// main's own, which are there without /proc as well.
  @Test func argumentsAreThoseOfMain() {
    #expect(ProgramArguments.all == CommandLine.arguments && !ProgramArguments.all.isEmpty)
  }

  @Test(
    arguments: [
      (0.5, 1, 99, nil, ""), (10, 0, 99, nil, ""), (10, 10, 0, nil, ""), (10, 10, 20, nil, ", 20 s left"),
      (10, 10, 20, 5, ", 5 s left"), (10, 1, 30, nil, ", 5 min left"),
    ] as [(Double, Int, Int, Double?, String)])
  func theTimeLeftIsOfWhatIsDone(seconds: Double, done: Int, rest: Int, most: Double?, words: String) {
    #expect(Progress.left(seconds: seconds, done: done, rest: rest, atMost: most) == words)
  }

  @Test(arguments: [("dumb", false), ("", false), (nil, false), ("xterm-256color", true), ("linux", true)])
  func linesAreRedrawnOnlyWhereATerminalCan(kind: String?, redraws: Bool) {
    #expect(Progress.redraws(kind) == redraws)
  }
}
