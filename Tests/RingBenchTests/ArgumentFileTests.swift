#if Bench
import BenchTestSupport
import Testing

@testable import BenchHarness
@testable import RingBench

@Suite struct ArgumentFileTests {
  @Test(arguments: [
    ("", []), ("a b\tc\n\nd", ["a", "b", "c", "d"]), ("a # b\nc#d", ["a", "c#d"]),
    ("'a b' \"c d\" e' 'f ''", ["a b", "c d", "e f", ""]), (#"a\ b 'c\d' "e\"f" \!"#, ["a b", #"c\d"#, "e\"f", "!"]),
    ("--size 1500\r\n--ring split\r\n", ["--size", "1500", "--ring", "split"]),
  ])
  func wordsAreThoseOfAShell(text: String, words: [String]) throws {
    #expect(try ArgumentFile.words(text, in: "x") == words)
  }

  @Test func aFileStandsForItsWords() throws {
    let tree = FixtureTree("/a --size 1500 # remark")
    #expect(try ArgumentFile.expand(["cost", "@\(tree.root)/a", "-q"]) == ["cost", "--size", "1500", "-q"])
  }

  @Test func whatCannotBeReadIsRefusedInALine() {
    let tree = FixtureTree("/nested @other\n/open 'a")
    for argument in ["@", "@/no/such/file", "@\(tree.root)/nested", "@\(tree.root)/open"] {
      #expect(throws: BenchError.self) { try ArgumentFile.expand([argument]) }
    }
  }
}
#endif
