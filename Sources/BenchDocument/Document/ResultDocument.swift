import BenchPlan
import FoundationEssentials
import RingKit

/// What every command that measures writes, and what `compare`, `report` and `convert` read: schema 2.
///
/// `bench-results/schema/result.schema.json` has each field with its unit. What does not apply is left out of the JSON.
package struct ResultDocument: Codable, Equatable, Sendable {
  package static let schemaNumber = 2

  package var schema = Self.schemaNumber
  package var run: RunRecord
  package var machine: Machine
  /// What the command was asked for, by its own names.
  package var parameters: [String: JSONValue] = [:]
  package var results: [ResultRow] = []
  /// Of a sweep: two paths over all sizes.
  package var crossovers: [Crossover]?
  /// Where ring and payload lay.
  package var memory: [MemoryPlacement]?
  /// What a command has beyond rows, by its own names.
  package var details: [String: JSONValue]?
  /// Slices of all rows that did not count.
  package var slicesDroppedBy: [DropReason: Int]?
  package var warnings: [ResultWarning] = []
  /// The finding in words; computed from the rows.
  package var answer: String?

  /// One without rows.
  package init(run: RunRecord, machine: Machine) { (self.run, self.machine) = (run, machine) }
}

extension ResultDocument {
  package func has(_ kind: ResultWarning.Kind) -> Bool { warnings.contains { $0.kind == kind } }

  package mutating func warn(_ kind: ResultWarning.Kind, _ text: String?) {
    if let text { warnings.append(ResultWarning(kind: kind, text: text)) }
  }

  package var isDisturbed: Bool { has(.disturbed) }

  /// The class with most slices; `nil` where no row has slices in one.
  var mainClass: PlacementClass? {
    PlacementClass.main(
      results.compactMap { row in row.placement.map { ($0.class, row.slicesKept ?? 0) } }.filter { $0.1 > 0 })
  }

  package var measuredClasses: [PlacementClass] {
    PlacementClass.allCases.filter { placement in results.contains { $0.placement?.class == placement } }
  }
}

/// What must be known before the figures are believed.
package struct ResultWarning: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// Ended by a signal.
    case interrupted
    /// Slices that were disturbed had to count.
    case disturbed
    /// Times of a build without optimisation.
    case debugBuild
    /// A price was given, not measured.
    case injected
    /// A class holds round trips of two kinds.
    case mixed
    /// A path or a size was left out.
    case leftOut
    /// What hybrid's threshold was not measured for.
    case hybrid
    /// What `ringbench check` has to say about the machine.
    case environment
    /// Anything else.
    case other
  }

  package var kind: Kind
  package var text: String
}

/// One run of one command: where, when, with what.
package struct RunRecord: Codable, Equatable, Sendable {
  /// UTC, ISO 8601: `2026-11-29T05:12:00Z`.
  package var startedAt: String
  package var durationSeconds: Double = 0
  /// Left out with `--anonymous`.
  package var host: String?
  /// `cost`, `ring`, `sweep` and so on.
  package var subcommand: String
  /// As typed, quoted for a shell.
  package var command: String
  /// What ringbench was built from; `unknown` where the build was not told, with `-dirty` where files had been changed.
  package var commit: String
  package var version: String
  package var toolchain: String
  /// Whether the build was optimised; else its times say nothing.
  var optimised: Bool = true
  /// Of everything random; as text, because not every reader of JSON has integers of 64 bits.
  var seed: String?
  /// Processes that wanted a CPU, averaged over a minute.
  package var loadBefore: Double?
  package var loadAfter: Double?
}

/// Two paths over all sizes, on one ring, in one direction and one placement class.
package struct Crossover: Codable, Equatable, Sendable {
  /// A size at which one overtakes the other.
  package struct Meeting: Codable, Equatable, Sendable {
    package let bytes: Estimate
    /// The sizes that were measured on both sides of it.
    let between: [Int]
    package let cheaperBelow: DMAPath
    package let cheaperAbove: DMAPath
  }

  package let ring: RingLayout
  package let direction: DMADirection
  package let placement: PlacementClass
  package let paths: [DMAPath]
  /// The smallest and the largest at which both were measured.
  let sizes: [Int]
  package let meetings: [Meeting]
  /// The path that is cheaper at every size that tells, if there is one.
  package let cheaperThroughout: DMAPath?
  /// Bytes, by what the two cost without a ring, where one copies and the other maps.
  package let predictedBytes: Double?
  /// The same with the search for a slot.
  package let predictedBytesWithSearch: Double?
  /// The prediction as a sentence, also where there is no such size.
  package var predicted: [String]?
}

extension ResultDocument {
  /// The document that a file or standard input holds; of schema 1 as much as that had.
  ///
  /// Without `keepingSlices` rows have none: of many results side by side they would be most of the time and memory.
  package static func decode(
    _ text: String, named name: String, keepingSlices: Bool = true
  ) throws(BenchError) -> ResultDocument {
    let data = keepingSlices ? Data(text.utf8) : Data(SliceStripper.strip(Array(text.utf8)))
    do {
      let schema = try JSONDecoder().decode(SchemaNumber.self, from: data).schema
      switch schema {
      case schemaNumber: return try JSONDecoder().decode(ResultDocument.self, from: data)
      case 1: return try SchemaOne.read(try JSONDecoder().decode(JSONValue.self, from: data), named: name)
      default: throw BenchError.usage("\(name) is of schema \(schema); this ringbench reads 1 and 2")
      }
    } catch {
      throw error as? BenchError ?? .usage("\(name) is not a result of ringbench: \(Self.words(error))")
    }
  }

  private struct SchemaNumber: Decodable {
    let schema: Int
  }

  private static func words(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "it is not JSON" }
    switch error {
    case .keyNotFound(let key, let context): return "\(path(context.codingPath)) has no '\(key.stringValue)'"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "\(path(context.codingPath)) is of another type"
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty ? "it is not JSON" : "\(path(context.codingPath)) has no such value"
    @unknown default: return "it is not JSON"
    }
  }

  private static func path(_ path: [any CodingKey]) -> String {
    path.isEmpty ? "it" : path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
  }
}
