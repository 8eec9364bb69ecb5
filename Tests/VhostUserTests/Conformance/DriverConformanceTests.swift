import RingKit
import Synchronization
import Testing
import VhostUser

@testable import RingKitTesting

/// The checks of a driver: none fails with what keeps the rules, and each fault fails by its own number.
@Suite(.timeLimit(.minutes(20))) struct DriverConformanceTests {
  /// What came of a session, on its way from the thread that served it.
  private final class Result: Sendable {
    let outcomes = Mutex<[ConformanceOutcome]>([])
  }

  /// A session with a disk that watches its driver, on a thread of its own; what came of it is told in the end.
  private func session(
    _ conformance: DriverConformance, _ features: VirtioFeatures, _ result: Result
  ) throws -> VhostUserPort {
    let (near, far) = try VhostUserConnection.pair()
    let served = ServedConnection(far)
    let server = TestThread {
      guard let connection = served.take(), let outcomes = try? conformance.run(connection) else { return }
      result.outcomes.withLock { $0 = outcomes }
    }
    return try VhostUserPort(near, .block, features: features, milliseconds: 60_000, server: server)
  }

  /// Has a model of a driver use that disk.
  private func outcomes(
    of fault: DriverFault?, _ features: VirtioFeatures, isPacked: Bool
  ) throws -> [ConformanceOutcome] {
    // No driver that keeps the rules takes ten seconds, on whatever machine.
    var conformance = DriverConformance(.block, milliseconds: fault?.isOfNotification == true ? 100 : 10_000)
    let meeting = Meeting()
    conformance.pause = { meeting.pause($0) }
    let result = Result()
    let port = try session(conformance, features.union(isPacked ? [.version1, .packedRing] : .version1), result)
    try ModelDriver.run(port, fault, meeting, rounds: 24)
    // Returns when the device has seen the end.
    port.close()
    return result.outcomes.withLock { $0 }
  }

  static let sets: [VirtioFeatures] = [
    [], .indirectDescriptors, .eventIndex, .inOrder, [.indirectDescriptors, .eventIndex, .inOrder],
  ]

  @Test(arguments: sets, [false, true])
  func aModelThatKeepsTheRulesBreaksNone(features: VirtioFeatures, isPacked: Bool) throws {
    let outcomes = try outcomes(of: nil, features, isPacked: isPacked)
    #expect(outcomes.filter { $0.verdict == .failed } == [])
    let passed = Set(outcomes.filter { $0.verdict == .passed }.map(\.rule))
    let plain = isPacked ? ["P1", "P2", "P3", "P6"] : ["S1", "S4", "S8", "S11"]
    #expect(passed.isSuperset(of: plain + ["Q7", "Q8"]))
    #expect(passed.contains(features.contains(.eventIndex) ? "S18" : "S17"))
    let hasTables = features.contains(.indirectDescriptors)
    #expect(passed.contains(isPacked ? (hasTables ? "P13" : "P11") : hasTables ? "S7" : "S6"))
  }

  @Test(arguments: DriverFault.allCases)
  func aFaultFailsByItsNumber(fault: DriverFault) throws {
    let outcomes = try outcomes(of: fault, fault.features, isPacked: fault.isPacked)
    #expect(outcomes.filter { $0.verdict == .failed }.map(\.rule) == [fault.rule])
  }
}
