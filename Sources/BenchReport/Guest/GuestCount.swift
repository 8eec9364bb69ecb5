import BenchDocument
import BenchHarness
import RingKit

/// Instructions of one pass of the load, as the plugin counted them (Scripts/guest/count.c has the format).
struct CountedPass: Equatable, Sendable {
  /// Instructions that begin at one address of the kernel and run to the next branch.
  struct Block: Equatable, Sendable {
    let address: UInt64
    let instructions: Int
    /// Elements that repeated string instructions moved beyond the first.
    let repeats: Int
  }

  /// `write`, `read` or `exchange`.
  let operation: String
  let kernel: Int
  let user: Int
  let kernelRepeats: Int
  let userRepeats: Int
  /// Those of the kernel that ran; empty where functions were not asked for.
  package fileprivate(set) var blocks: [Block] = []

  fileprivate init?(_ words: ArraySlice<Substring>) {
    guard let name = words.first else { return nil }
    var numbers: [String: Int] = [:]
    for word in words.dropFirst() {
      let parts = word.split(separator: "=", maxSplits: 1)
      if parts.count == 2, let number = Int(parts[1]), number >= 0 { numbers[String(parts[0])] = number }
    }
    guard let kernel = numbers["kernel"], let user = numbers["user"], let kernelRepeats = numbers["kernelRepeats"],
      let userRepeats = numbers["userRepeats"], numbers.count == 4
    else { return nil }
    operation = String(name)
    (self.kernel, self.user, self.kernelRepeats, self.userRepeats) = (kernel, user, kernelRepeats, userRepeats)
  }
}

/// What the plugin wrote during one boot.
package struct GuestCount: Sendable {
  /// The passes that came to their end, in order.
  private(set) var passes: [CountedPass] = []

  /// Takes the plugin's lines apart.
  ///
  /// - Throws: ``BenchError/check(_:)`` with the line that is not of its format.
  package init(_ lines: [Substring]) throws(BenchError) {
    var open: CountedPass?
    for line in lines {
      let words = line.split(separator: " ")
      switch (words.first, open) {
      case ("pass", nil):
        open = CountedPass(words.dropFirst())
        if open == nil { throw Self.refusal(line) }
      case ("at", .some):
        guard words.count == 4, let address = UInt64(words[1], radix: 16), let instructions = Int(words[2]),
          let repeats = Int(words[3]), instructions >= 0, repeats >= 0
        else { throw Self.refusal(line) }
        open?.blocks.append(CountedPass.Block(address: address, instructions: instructions, repeats: repeats))
      case ("end", let pass?):
        guard words.count == 2, words[1] == pass.operation else { throw Self.refusal(line) }
        passes.append(pass)
        open = nil
      default: throw Self.refusal(line)
      }
    }
    if let open { throw .check("the plugin's record of the pass '\(open.operation)' has no end") }
  }

  private static func refusal(_ line: Substring) -> BenchError {
    .check("the plugin wrote a line that is not of its format: \(String(printable: line.utf8))")
  }
}
