import BenchHarness
import BenchPaths
import FoundationEssentials

/// JSON as it is committed: sorted keys, one value a line, a newline at the end.
package enum JSONText {
  package static func encode(_ value: some Encodable) throws(BenchError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    } catch {
      throw .check("the result cannot be written as JSON: \(error)")
    }
  }
}
