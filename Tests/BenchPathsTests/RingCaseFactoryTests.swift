import BenchHarness
import RingKit
import Testing

@testable import BenchPaths
@testable import BenchPlan

@Suite struct RingCaseFactoryTests {
  @Test("each point has room for its ring and its tables, twice", arguments: RingLayout.allCases, [false, true])
  func hasRoom(ring: RingLayout, indirect: Bool) throws {
    let points = [1, 2, 4, 8, 16, 32, 64, 256].flatMap { size in
      [1, size].map { outstanding in
        RingPoint(
          ring: ring, inOrder: true, batch: 1, queueSize: size, outstanding: outstanding, chain: indirect ? 3 : 1,
          indirect: indirect, eventIndex: false, notification: .polling)
      }
    }
    var factory = try RingCaseFactory(points)
    for point in points {
      for counting in [true, false] { try factory.make(point, counting: counting).close() }
    }
  }
}
