import BenchTestSupport
import Testing

@testable import BenchDocument
@testable import BenchPage
@testable import BenchReport

@Suite struct SliceStripperTests {
  private func strip(_ text: String) -> String {
    String(decoding: SliceStripper.strip(Array(text.utf8)), as: UTF8.self)
  }

  @Test func rowsLoseTheirSlicesAndNothingElse() throws {
    let document = ReportPageTests.document(host: "\"slices\": [1], \\")
    let text = try JSONText.encode(document)
    let read = try ResultDocument.decode(text, named: "x", keepingSlices: false)
    var whole = try ResultDocument.decode(text, named: "x")
    #expect(whole.results.contains { $0.slices != nil })
    for number in whole.results.indices { whole.results[number].slices = nil }
    #expect(read == whole)
  }

  @Test(arguments: [
    ("{\"slices\":[[\"]\"],{}],\"a\":1}", "{\"slices\": null,\"a\":1}"),
    ("{\"slices\" : null}", "{\"slices\" : null}"), ("[\"slices\",[1]]", "[\"slices\",[1]]"),
    ("{\"a\":\"\\\"slices\\\":[\"}", "{\"a\":\"\\\"slices\\\":[\"}"), ("", ""),
  ])
  func onlyAListUnderTheKeyGoes(text: String, stripped: String) { #expect(strip(text) == stripped) }

  /// What ends too early is for the parser to refuse.
  @Test func aTextMayEndAnywhere() {
    let text = "{\"slices\" : [{\"a\\\\\": \"]\"}, 2], \"b\": \"c\"}"
    for count in 0...text.utf8.count {
      _ = SliceStripper.strip(Array(text.utf8.prefix(count)))
    }
  }
}
