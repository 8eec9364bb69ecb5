import RingKit
import RingKitTesting
import Testing
import VhostUser

/// The checks of a device: none fails with what keeps the rules, and each fault fails by its own number.
@Suite(.timeLimit(.minutes(20))) struct ConformanceTests {
  /// No device of ours takes so long to answer, on whatever machine.
  private static let patience = 10_000
  private static let ringFeatures: VirtioFeatures = [.version1, .indirectDescriptors, .eventIndex, .inOrder]

  private func outcomes(
    of fault: Fault?, isPacked: Bool, isHostile: Bool = false
  ) throws -> [ConformanceOutcome] {
    let disk = (0..<64 * 512).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 7) }
    let offered = isPacked ? Self.ringFeatures.union(.packedRing) : Self.ringFeatures
    let connect: ConformanceConnector = { (wanted: VirtioFeatures) throws(PortEnd) in
      do { return try ModelPort(wanted, offered: offered, disk: disk, fault: fault) } catch {
        throw .unreachable("\(error)")
      }
    }
    return try DeviceConformance(.block, isHostile: isHostile, milliseconds: 40).run(connect, onPacked: isPacked) {
      _ in
    }
  }

  @Test(arguments: [false, true])
  func aModelThatKeepsTheRulesPassesAll(isPacked: Bool) throws {
    let outcomes = try outcomes(of: nil, isPacked: isPacked, isHostile: true)
    #expect(outcomes.filter { $0.verdict == .failed || $0.verdict == .refused } == [])
    #expect(outcomes.filter { $0.verdict == .passed }.count > 50)
  }

  @Test(arguments: Fault.allCases)
  func aFaultFailsByItsNumber(fault: Fault) throws {
    let outcomes = try outcomes(of: fault, isPacked: fault.isPacked, isHostile: fault == .followsLoops)
    let failed = outcomes.filter { $0.verdict == .failed }
    #expect(!failed.isEmpty, "\(fault) is not noticed")
    #expect(failed.filter { $0.rule != fault.rule } == [], "\(fault) breaks \(fault.rule) alone")
  }

  @Test func aDiskOfOursPassesAll() throws {
    let file = ScratchFile(sectors: 64)
    let path = file.path
    let outcomes = try DeviceConformance(.block, milliseconds: Self.patience).run {
      guard let disk = try? BlockDevice(path: path) else { preconditionFailure("\(path) cannot be served") }
      return disk
    }
    #expect(outcomes.filter { $0.verdict == .failed || $0.verdict == .refused } == [])
    #expect(Set(outcomes.map(\.ring)) == ["split", "packed"])
  }

  @Test func aNetworkDeviceOfOursPassesAll() throws {
    let conformance = DeviceConformance(.network, isHostile: true, milliseconds: Self.patience)
    let outcomes = try conformance.run { LoopbackDevice() }
    #expect(outcomes.filter { $0.verdict == .failed || $0.verdict == .refused } == [])
    let receiving = outcomes.filter { $0.check.hasPrefix("receive: ") && $0.verdict == .passed }
    #expect(receiving.count > 100)
    #expect(Set(receiving.map(\.ring)) == ["split", "packed"])
  }

  @Test func aSourceOfRandomBytesOfOursPassesAll() throws {
    let outcomes = try DeviceConformance(.entropy, isHostile: true, milliseconds: Self.patience).run { EntropyDevice() }
    #expect(outcomes.filter { $0.verdict == .failed || $0.verdict == .refused } == [])
  }

  @Test func ofAnUnknownKindOnlyQueuesAreLookedAt() throws {
    let outcomes = try DeviceConformance(.any, milliseconds: Self.patience).run { LoopbackDevice() }
    #expect(outcomes.filter { $0.verdict == .failed } == [])
    #expect(Set(outcomes.filter { $0.verdict == .passed }.map(\.rule)) == ["Q1", "Q2", "Q3", "S30", "P5"])
  }
}
