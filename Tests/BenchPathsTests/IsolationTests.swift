import RingIOMMU
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

@Suite struct IsolationTests {
  /// What the command line refuses the platform refuses as well.
  @Test(arguments: [([DMAPath.direct], "ACCESS_PLATFORM"), ([.direct, .shadow], "private memory")])
  func whatIsNotForcedIsRefusedAtSetUp(_ paths: [DMAPath], _ reason: String) throws {
    var parameters = CostParameters()
    parameters.paths = paths
    parameters.isolation.paths = paths
    var factory = CaseFactory(parameters: parameters, guest: try BenchGuest(parameters))
    let key = CostKey(ring: .split, path: .direct, direction: .deviceReadable, bytes: 1500, isolated: true)
    let error = #expect(throws: BenchError.self) { _ = try factory.make(key) }
    #expect(error?.exitCode == 3 && error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  @Test func aLoadGoesOverAndComesBack() throws {
    var load = IsolatedLoad()
    load.direction = .deviceWritable
    load.touch = .none
    load.bytes = 1500
    load.batch = 32
    load.prefersLargePages = true
    load.sequence = .max
    load.counts = GuestPhysicalAddress(4096)
    #expect(IsolatedLoad(load.words) == load)
    for (index, value) in [(0, 16), (1, 1 << 30), (2, 0), (2, 1 << 20)] as [(Int, UInt64)] {
      var words = load.words
      words[index] = value
      #expect(IsolatedLoad(words) == nil, "word \(index) is \(value)")
    }
    #expect(IsolatedLoad([]) == nil)
  }
}
