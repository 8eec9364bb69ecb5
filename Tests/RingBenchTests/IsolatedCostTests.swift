#if Bench
import FoundationEssentials
import Glibc
import RingIOMMU
import RingKit
import RingPlatform
import TestTraits
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

/// `ringbench cost --isolate` as a program, from outside.
@Suite("cost --isolate as a program", .serialized, .oneAtATime)
struct IsolatedCostTests {
  private static let short = "--ring packed --direction device-writable --size 4096 --slice-ms 2"

  /// Without what is said of the build and of a busy machine.
  private func ofTheRun(_ errors: String) -> [Substring] {
    errors.split(separator: "\n").filter { !$0.contains("debug build") && !$0.contains("may disturb it") }
  }

  /// What a run says whose device is killed.
  private func afterKill(_ path: String) throws -> (output: String, errors: [Substring]) {
    // So long that the kill falls into it, on any machine.
    let run = try ProgramRun("cost --isolate --path \(path) \(Self.short) --slices 100000 --time-limit 600")
    var devices: [pid_t] = []
    while devices.isEmpty, run.process.end == nil {
      devices = run.children
      usleep(1000)
    }
    // Beyond its handshake, so that it serves: before, the device did not come up at all.
    for device in devices { ProgramRun.waitUntilBusy(device) }
    for device in devices { kill(device, SIGKILL) }
    let (end, output, errors) = run.end()
    #expect(end == .exited(code: 1), "\(errors)")
    return (output, ofTheRun(errors))
  }

  @Test(
    "a device that is killed ends the run in one line with what was in flight, and exit code 1",
    arguments: ["swiotlb", "iommu-strict", "iommu-lazy"])
  func killed(path: String) throws {
    let (output, errors) = try afterKill(path)
    #expect(output.isEmpty && errors.count == 1, "\(errors)")
    let line = try #require(errors.first)
    // Where each buffer is mapped the kill may fall into a wait of an unmap.
    let isInFlight = line.contains("buffers in flight that it had not completed")
    #expect(line.contains("killed by signal 9"), "\(line)")
    #expect(isInFlight || path != "swiotlb" && line.contains("that had not come back"), "\(line)")
  }

  @Test(
    "a path that maps each buffer is measured with the work per buffer that it has with two threads",
    arguments: [
      ("iommu-strict", ""), ("iommu-lazy", ""), ("iommu-strict", "--iommu-merge 64k"),
      ("hybrid", "--hybrid-threshold 2k"),
      ("dma-mask", ""), ("viommu", "--viommu-price injected --viommu-ns 0"),
    ])
  func counted(path: String, options: String) throws {
    let run = try ProgramRun(
      "cost --isolate --path \(path) \(options) --ring split --direction device-readable --size 4096 --slices 6"
        + " --slice-ms 1 --format json")
    let (end, output, errors) = run.end()
    #expect(end == .exited(code: 0), "\(errors)")
    let report = try JSONDecoder().decode(Counted.self, from: Data(output.utf8))
    let rows = report.results.filter { $0.kind == "path" && $0.path == path }
    // What a lazy device still has cached, when the timer strikes, and so which ranges are free, is a matter of time.
    let timed: [WorkEvent] =
      path == "iommu-lazy"
      ? [
        .iotlbHits, .iotlbMisses, .invalidations, .invalidationWaits, .iovaFromMagazine, .iovaFromDepot, .iovaFromTree,
      ] : []
    let counters = Set(
      rows.map { ($0.counters ?? [:]).filter { counter in !timed.contains { $0.rawValue == counter.key } } })
    #expect(Set(rows.map(\.isolated)) == [false, true], "\(output)")
    #expect(counters.count == 1, "\(rows)")
  }

  private struct Counted: Decodable {
    struct Row: Decodable {
      let kind: String
      let path: String?
      let isolated: Bool?
      let counters: [String: Double]?
    }
    let results: [Row]
  }

  @Test("what is forced faults at the device, and the driver says it in one line", arguments: ["direct", "identity"])
  func forced(path: String) throws {
    let run = try ProgramRun("cost --isolate --unsafe-force --path \(path) \(Self.short) --slices 10")
    let (end, output, errors) = run.end()
    #expect(end == .exited(code: 1), "\(errors)")
    #expect(output.isEmpty)
    let lines = ofTheRun(errors)
    #expect(lines.count == 1 && errors.contains("\(path) (isolated)"), "\(errors)")
    // Where the guest's private memory begins.
    #expect(errors.contains("iova 0x400000000 are not memory the device can see"), "\(errors)")
  }

  @Test("what needs private memory is refused in one line, with exit code 3", arguments: ["direct", "identity"])
  func refused(path: String) throws {
    let (end, output, errors) = try ProgramRun("cost --isolate --path swiotlb,\(path) \(Self.short)").end()
    #expect(end == .exited(code: 3) && output.isEmpty)
    #expect(errors.split(separator: "\n").count == 1 && errors.contains("private memory"), "\(errors)")
  }

  @Test("a device that stops is given up, and ended")
  func stopped() throws {
    let rig = try IsolatedRig(IsolatedRig.Kind(ring: .split, isInOrder: false, direction: .deviceWritable))
    let (device, process) = try rig.startDevice(patience: 50_000_000)
    try rig.exchange(100, device)
    kill(process.processIdentifier, SIGSTOP)
    // Until every thread of it has.
    var status: Int32 = 0
    #expect(unsafe waitpid(process.processIdentifier, &status, WUNTRACED) == process.processIdentifier)
    device.peer.barrier.endSlice()
    let failure = #expect(throws: SliceFailure.self) { try device.peer.barrier.waitUntilIdle() }
    if case .silent? = failure {} else { Issue.record("\(failure?.text ?? "nothing")") }
    #expect(device.isGone)
    // No process waits for it any more.
    try device.peer.barrier.waitUntilIdle()
    #expect(device.finish() == .gone(.killed(signal: SIGKILL)))
    while try rig.step(adding: false) {}
    let (next, _) = try rig.startDevice()
    try rig.exchange(nil, next)
    #expect(rig.returned == rig.added)
  }
}
#endif
