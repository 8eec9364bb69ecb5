#if Bench
import FoundationEssentials
import Glibc
import RingIOMMU
import RingKit
import TestTraits
import Testing

@testable import BenchHarness

/// How commands end that are told to, or that have nothing to show.
@Suite(.oneAtATime) struct EndingTests {
  private static let short = "cost --ring split --path swiotlb --size 64 --direction device-readable"

  private struct Ended: Decodable {
    struct Warning: Decodable { let kind: String }
    let schema: Int
    let warnings: [Warning]

    /// A valid document that says how it ended.
    var isInterrupted: Bool { schema == 2 && warnings.contains { $0.kind == "interrupted" } }
  }

  /// Each of the three is handled alike, whatever the command is doing: setting up, calibrating, counting, measuring.
  @Test(
    arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] as [(number: Int32, code: Int32)],
    [
      "\(short) --slices 100000 --slice-ms 10 --time-limit 600 --format json",
      "\(short) --slices 1 --slice-ms 10000 --time-limit 600 --format json",
      "sweep --path iommu-strict,swiotlb --time-limit 600 --format json",
      "ring --slices 100000 --time-limit 600 --format json",
      "scale --slices 100000 --time-limit 600 --format json",
      "exhaust --mode threads --buffers 10000000 --format json",
      "exhaust --mode interleaved --buffers 10000000 --format json",
    ])
  func aSignalEndsARunWithWhatItHas(signal: (number: Int32, code: Int32), line: String) throws {
    let run = try ProgramRun(line)
    // Exhausted on one thread a queue needs no second.
    ProgramRun.waitUntilBusy(run.process.processIdentifier, threads: line.contains("interleaved") ? 1 : 2)
    kill(run.process.processIdentifier, signal.number)
    let (end, output, errors) = run.end()
    #expect(end == .exited(code: signal.code), "\(line): \(errors)")
    let report = try JSONDecoder().decode(Ended.self, from: Data(output.utf8))
    #expect(report.isInterrupted)
  }

  /// From its first instructions on.
  @Test func aSignalInTheFirstMomentEndsARunWithAValidReport() throws {
    let run = try ProgramRun("\(Self.short) --time-limit 600 --format json")
    // The handlers are there as soon as the kernel says that the signal is caught.
    let status = "/proc/\(run.process.processIdentifier)/status"
    func catches() -> Bool {
      let mask = SystemFile.lines(status).first { $0.hasPrefix("SigCgt:") }?.split(separator: "\t").last
      return mask.flatMap { UInt64($0, radix: 16) }.map { $0 >> UInt64(SIGTERM - 1) & 1 == 1 } ?? false
    }
    while !catches() && run.process.end == nil { usleep(100) }
    kill(run.process.processIdentifier, SIGTERM)
    let (end, output, errors) = run.end()
    #expect(end == .exited(code: 143), "\(errors)")
    #expect(try JSONDecoder().decode(Ended.self, from: Data(output.utf8)).isInterrupted)
  }

  /// The first signal is enough: nothing that a child does not answer holds the run up.
  @Test(
    "a run whose device or VMM no longer answers ends with what it has",
    arguments: [
      "cost --isolate --path swiotlb --size 64", "cost --isolate --path iommu-strict --size 64",
      "cost --path viommu --size 64", "sweep --path viommu,swiotlb --size 64 --direction device-readable",
    ])
  func aSilentChild(line: String) throws {
    let run = try ProgramRun("\(line) --ring split --slices 100000 --time-limit 600 --format json")
    ProgramRun.waitUntilBusy(run.process.processIdentifier)
    while run.children.isEmpty && run.process.end == nil { usleep(1000) }
    let children = run.children
    for child in children { kill(child, SIGSTOP) }
    kill(run.process.processIdentifier, SIGINT)
    let (end, output, errors) = run.end()
    #expect(end == .exited(code: 130), "\(line): \(errors)")
    #expect(try JSONDecoder().decode(Ended.self, from: Data(output.utf8)).isInterrupted)
    for child in children { #expect(kill(child, 0) != 0, "the child is still there") }
  }

  @Test func theSecondSignalEndsTheProcess() throws {
    let run = try ProgramRun("\(Self.short) --slices 100000 --time-limit 600 --format json")
    ProgramRun.waitUntilBusy(run.process.processIdentifier)
    // Stopped, so that both are there when it goes on.
    kill(run.process.processIdentifier, SIGSTOP)
    kill(run.process.processIdentifier, SIGINT)
    kill(run.process.processIdentifier, SIGTERM)
    kill(run.process.processIdentifier, SIGCONT)
    let (end, output, _) = run.end()
    #expect([.exited(code: 130), .exited(code: 143)].contains(end) && output.isEmpty)
  }

  @Test(arguments: [
    "help bogus", "cots", "--features none,indirect", "--path direct,,swiotlb", "--queue-threads own", "--output -",
    "--output /tmp/ringbench-one --text-output /tmp/../tmp/ringbench-one", "shapes A --time-limit 0.001",
    "drive blk --socket x --features none,indirect", "explain direct,,swiotlb", "exhaust --depth 1,,2",
    "ring --batch 1,1", "ring --outstanding 1,,full", "simulate --primitive copy=1,,serve=1",
    "vfio --device x --depth 30", "--depth 4 --depth 8", "cost --time-limit=1 --path direct --time-limit 2",
    "device blk --socket a --file b --socket a", "exhaust --batch 1 --batch 1", "--output a --output b",
    "device net --socket a --pairs -1", "device blk --socket a --file b --seg-max -1",
    "device blk --socket a --file b --queues 0", "device --socket \(String(repeating: "x", count: 108))",
    "cost --isolate --path swiotlb --device-socket \(String(repeating: "x", count: 108))",
  ])
  func nonsenseIsOneLineAndTwo(_ line: String) throws {
    let (end, output, errors) = try ProgramRun(line).end()
    #expect(end == .exited(code: 2) && output.isEmpty)
    #expect(errors.split(separator: "\n", omittingEmptySubsequences: false).count == 1, "\(errors)")
    #expect(errors.hasPrefix("ringbench: "))
  }
}
#endif
