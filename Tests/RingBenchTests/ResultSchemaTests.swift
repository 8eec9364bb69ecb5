#if Bench
import BenchTestSupport
import Glibc
import RingIOMMU
import RingKit
import TestTraits
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

/// What the commands write, held against `bench-results/schema` by PyPI's `jsonschema`.
@Suite(.oneAtATime, .timeLimit(.minutes(15))) struct ResultSchemaTests {
  private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
  private static let short = "--slices 6 --slice-ms 0.5 --time-limit 30 --format json"

  /// Validates documents; a result that does not hold is an issue, a missing validator is said.
  private func validate(_ texts: [String], and files: [String] = []) throws {
    var name = Array("/tmp/ringbench-schema-XXXXXX".utf8CString)
    try #require(unsafe mkdtemp(&name) != nil)
    let folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    var made: [String] = []
    defer {
      for path in made { unsafe unlink(path) }
      unsafe rmdir(folder)
    }
    for (number, text) in texts.enumerated() {
      made.append("\(folder)/\(number).json")
      try OutputFile(checking: made[number]).write(text)
    }
    let words = (made + files).joined(separator: " ")
    let (end, _, errors) = try ProgramRun(words, program: "\(Self.root)/Scripts/validate.sh").end()
    if end == .exited(code: 77) { return print("skipped: \(errors)") }
    #expect(end == .exited(code: 0), "\(errors)")
  }

  @Test(arguments: [
    "cost --ring split --path iommu-strict,viommu,swiotlb,hybrid --size 4096 \(short)",
    "ring --ring packed --in-order off --outstanding 1 --batch 1 --round-trips 1000 \(short)",
    "sweep --path iommu-strict,swiotlb,shadow,hybrid --size 4096,512KiB --direction device-readable \(short)",
    "scale --queue-size 64,256 --mappings 16,64 --queues 1,2 --memory 1MiB,1GiB \(short)",
    "shapes C,F --slices 6 --time-limit 20 --format json",
    "exhaust --pool 256KiB --depth 32 --size 4096,262145 --buffers 200 --format json",
    "simulate --cpus 1,2 --check --format json",
    "topology --probe-ms 50 --anonymous --format json",
  ])
  func whatACommandWritesIsValid(line: String) throws {
    let (end, output, errors) = try ProgramRun(line).end()
    #expect(end == .exited(code: 0), "\(errors)")
    try validate([output])
    // And reads back as it was.
    let document = try ResultDocument.decode(output, named: line)
    #expect(try JSONText.encode(document) == output + "\n")
    #expect((document.run.host == nil) == line.contains("--anonymous"))
    #expect(document.run.command == "ringbench \(line)" && !document.run.commit.isEmpty)
    for width in [60, 80] {
      let text = document.text(TextView(isFull: true, width: width))
      #expect(text.split(separator: "\n").allSatisfy { $0.count <= width }, "\(text)")
    }
  }

  @Test func aGuestsResultIsValid() throws {
    var parameters = GuestParameters()
    (parameters.settings, parameters.devices) = ([.direct, .swiotlb], [.blk, .net])
    parameters.functions = true
    let symbols = KernelSymbols("ffffffff81000000 T virtqueue_add\nffffffff81001000 t swiotlb_bounce\n")
    let documents = try [GuestAccelerator.kvm, .tcg].map { accelerator in
      parameters.resolve(accelerator)
      let boots = try parameters.cases.map { guest in
        let (lines, count) = (guestLines(more: guestTracedLines()), guestCountLines())
        let isDisk = guest.device == .blk
        return try GuestBoot(
          guest, console: GuestConsole(isDisk ? lines : guestFrameLines(lines)), device: DeviceCounts(),
          count: accelerator == .kvm ? nil : GuestCount(isDisk ? count : guestFrameLines(count)), symbols: symbols)
      }
      let report = GuestReport(
        machine: .fixture, parameters: parameters, accelerator: accelerator, whyNotKVM: "no reason", boots: boots,
        interrupted: true)
      return try JSONText.encode(report.document(RunStart(of: "guest").record(seed: nil, anonymous: false)))
    }
    try validate(documents)
  }

  @Test func committedResultsAreValid() throws {
    let folder = "\(Self.root)/bench-results"
    // The gate's records are no results.
    let names = SystemFile.names(in: folder).filter {
      $0.hasSuffix(".json") && !["instructions.json", "work.json"].contains($0)
    }
    #expect(!names.isEmpty)
    try validate([], and: names.map { "\(folder)/\($0)" })
  }
}
#endif
