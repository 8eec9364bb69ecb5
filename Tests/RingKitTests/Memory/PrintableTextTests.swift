import Testing

@testable import RingKit

@Suite("Text of another party is fit for a terminal")
struct PrintableTextTests {
  @Test(
    "control, formatting and separating characters are left out, and nothing else",
    arguments: [
      ("disk 0", "disk 0"), ("Gerät № 7 \u{1F4BE}", "Gerät № 7 \u{1F4BE}"), ("", ""),
      ("\u{1b}[31mred\u{7}", "[31mred"), ("a\nb\rc\td\0", "abcd"), ("\u{7f}\u{9b}2J", "2J"),
      ("\u{202e}gnp.exe\u{2066}", "gnp.exe"), ("a\u{2028}b\u{200b}c", "abc"),
    ])
  func printable(text: String, expected: String) { #expect(String(printable: text.utf8) == expected) }

  @Test("bytes that are no UTF-8 are replaced: a terminal may take them for C1")
  func notUTF8() {
    #expect(String(printable: [0x41, 0x9b, 0x33, 0x31, 0x6d]) == "A\u{FFFD}31m")
    #expect(String(printable: [0xff, 0xc0]).unicodeScalars.allSatisfy { $0 == "\u{FFFD}" })
  }

  @Test("an error that quotes a file's own words quotes them like that")
  func quoted() {
    let error = QueueStateError.foreign(.format, found: "\u{1b}]0;x\u{7}", expected: "y")
    #expect(error.description == "queue state: format is ]0;x, this reads y")
  }
}
